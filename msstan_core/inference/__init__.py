"""Running the network: the model folder, the engines (ONNX Runtime and torch), and the export between them."""
