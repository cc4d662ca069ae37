"""A release: a folder of verified models that any file server can host, and that says what it is.

```
models/NAME/FILES          the bundles, as they are
index.json                 every model with the sha256 of its files; index.json.sig if signed
index.html pages/NAME.html the gallery, for people
hub/NAME/FILES             repositories for transformers.js and optimum, graphs in onnx/
ONNX_HUB_MANIFEST.json     the graphs, in the words of the ONNX Model Zoo; test data in onnx/
bom.cdx.json               CycloneDX bill of materials
SHA256SUMS                 of all of it, for `sha256sum -c`
```
"""
