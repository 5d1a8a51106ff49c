"""Texts of configs that tests of several views share."""

BROKEN = """
name: broken
input: [N, 1, H, W]
sizes: {N: 1, H: 100, W: 96}
encoder:
  enc1: {op: Conv2d, out_channels: 16, kernel_size: 3, padding: 1}
  down1: {op: Conv2d, out_channels: 32, kernel_size: 3, stride: 2, padding: 1}
  down2: {op: Conv2d, out_channels: 64, kernel_size: 3, stride: 2, padding: 1}
  down3: {op: Conv2d, out_channels: 64, kernel_size: 3, stride: 2, padding: 1}
decoder:
  up2: {op: ConvTranspose2d, out_channels: 32, kernel_size: 2, stride: 2}
  cat2: {op: Concat, from: [up2, down2]}
  up1: {op: ConvTranspose2d, out_channels: 16, kernel_size: 2, stride: 2}
  cat1: {op: Concat, from: [up1, down1]}
"""
"""Its first merge does not close: up2 comes up to 26 rows, and down2 has 25."""

HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>\"'><svg onload=window.hacked=1>"
"""A name that is markup."""
