"""What whoever runs a server needs: keys, certificates, models that change, traces."""
