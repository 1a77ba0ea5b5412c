"""Networks: `nn.Module` only; no files, no devices, no printing."""
