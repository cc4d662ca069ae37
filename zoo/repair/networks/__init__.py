"""The networks: the U-Net that repairs, and the discriminator that it may learn against."""
