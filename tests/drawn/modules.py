"""Modules as people write them, for the tests of the importer: each with its input's channels."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn


class Basic(nn.Module):
    """A residual block as in torchvision."""

    def __init__(self, i: int, o: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.relu = nn.ReLU(inplace=True)
        self.down = (
            nn.Sequential(nn.Conv2d(i, o, 1, stride), nn.BatchNorm2d(o)) if stride > 1 else None
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += x if self.down is None else self.down(x)
        return self.relu(y)


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 4, 7, 2, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        self.layers = nn.Sequential(Basic(4, 4, 1), Basic(4, 8, 2), Basic(8, 8, 1))
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.flatten(self.pool(self.layers(self.stem(x))), 1))


class Vgg(nn.Module):
    """A classifier of one input size: what is flattened has a fixed number of features."""

    def __init__(self) -> None:
        super().__init__()
        features: list[nn.Module] = []
        for i, o in ((3, 4), (4, 8), (8, 8)):
            features += [nn.Conv2d(i, o, 3, padding=1), nn.ReLU(True), nn.MaxPool2d(2, 2)]
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(
            nn.Linear(8 * 8 * 6, 16), nn.ReLU(True), nn.Dropout(), nn.Linear(16, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        return self.classifier(x.view(x.size(0), -1))


class DenseLayer(nn.Sequential):
    def __init__(self, i: int) -> None:
        super().__init__()
        self.add_module("norm", nn.BatchNorm2d(i))
        self.add_module("relu", nn.ReLU(inplace=True))
        self.add_module("conv", nn.Conv2d(i, 4, 3, padding=1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, super().forward(x)], 1)


class DenseNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            OrderedDict(
                conv0=nn.Conv2d(3, 8, 7, 2, 3),
                pool0=nn.MaxPool2d(3, 2, 1),
                block=nn.Sequential(DenseLayer(8), DenseLayer(12), DenseLayer(16)),
                transition=nn.Sequential(nn.Conv2d(20, 8, 1), nn.AvgPool2d(2, 2)),
                last=DenseLayer(8),
            )
        )
        self.classifier = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        features = F.relu(self.features(x), inplace=True)
        return self.classifier(torch.flatten(F.adaptive_avg_pool2d(features, (1, 1)), 1))


class Aspp(nn.Module):
    def __init__(self, i: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [nn.Conv2d(i, 4, 1), *(nn.Conv2d(i, 4, 3, padding=d, dilation=d) for d in (2, 4))]
        )
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(i, 4, 1))

    def forward(self, x: Tensor) -> Tensor:
        found = [conv(x) for conv in self.convs]
        pooled = F.interpolate(
            self.pool(x), size=x.shape[-2:], mode="bilinear", align_corners=False
        )
        return torch.cat([*found, pooled], dim=1)


class DeepLab(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = nn.Conv2d(3, 4, 3, 4, 1), nn.Conv2d(4, 8, 3, 2, 1)
        self.aspp, self.project = Aspp(8), nn.Conv2d(4, 2, 1)
        self.head = nn.Conv2d(18, 3, 3, padding=1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        size = x.shape[-2:]
        low = self.low(x)
        y = self.aspp(self.high(low))
        y = F.interpolate(y, size=low.shape[2:], mode="bilinear", align_corners=False)
        y = self.head(torch.cat([self.project(low), y], 1))
        return OrderedDict(
            out=F.interpolate(y, size=size, mode="bilinear", align_corners=False), low=low
        )


class Interpolating(nn.Module):
    """A decoder that resizes to its skips at run time."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1)
        self.c = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.a(x))
        b = self.b(a).relu()
        y = torch.cat(
            [F.interpolate(b, size=a.shape[-2:], mode="bilinear", align_corners=False), a],
            dim=1,
        )
        h, w = x.size(2), x.size(3)
        return torch.sigmoid(F.interpolate(self.c(y), (h, w)))


class Gated(nn.Module):
    """Chunks, functional pools and pads, means, keyword arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.up = nn.Conv2d(3, 8, 3, padding="same"), nn.ConvTranspose2d(4, 4, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.a(x).chunk(2, dim=1)
        y = F.max_pool2d(value * gate.sigmoid(), 2)
        y = F.pad(self.up(y), [1, 0, 0, 1])
        return y - y.mean(dim=(2, 3), keepdim=True)


class DoubleConv(nn.Module):
    def __init__(self, i: int, o: int) -> None:
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv2d(i, o, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(o, o, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.double_conv(x)


class PaddingUp(nn.Module):
    """Pads the decoder to the skip by half of the difference."""

    def __init__(self, i: int, o: int) -> None:
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        self.conv = DoubleConv(i, o)

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        x1 = self.up(x1)
        dy, dx = x2.size()[2] - x1.size()[2], x2.size()[3] - x1.size()[3]
        x1 = F.pad(x1, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
        return self.conv(torch.cat([x2, x1], dim=1))


class PaddingUnet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inc, self.down1, self.down2, self.down3 = (
            DoubleConv(i, o) for i, o in ((3, 4), (4, 4), (4, 8), (8, 8))
        )
        self.up1, self.up2, self.up3 = PaddingUp(16, 4), PaddingUp(8, 4), PaddingUp(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x1 = self.inc(x)
        x2 = self.down1(F.max_pool2d(x1, 2))
        x3 = self.down2(F.max_pool2d(x2, 2))
        x4 = self.down3(F.max_pool2d(x3, 2))
        return self.up3(self.up2(self.up1(x4, x3), x2), x1)


class ResizingUnet(nn.Module):
    """Resizes only where the sizes differ."""

    def __init__(self) -> None:
        super().__init__()
        self.downs = nn.ModuleList([DoubleConv(3, 4), DoubleConv(4, 8)])
        self.ups = nn.ModuleList([nn.ConvTranspose2d(16, 8, 2, 2), DoubleConv(16, 8), nn.ConvTranspose2d(8, 4, 2, 2),
                                  DoubleConv(8, 4)])  # fmt: skip
        self.pool, self.bottleneck = nn.MaxPool2d(2, 2), DoubleConv(8, 16)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
            x = self.pool(x)
        x = self.bottleneck(x)
        skips = skips[::-1]
        for i in range(0, len(self.ups), 2):
            x = self.ups[i](x)
            skip = skips[i // 2]
            if x.shape != skip.shape:
                x = F.interpolate(x, size=skip.shape[2:])
            x = self.ups[i + 1](torch.cat((skip, x), dim=1))
        return x


class ReplicatingUnet(nn.Module):
    """Pads by one where a size is odd, deciding for each dim."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (
            nn.Conv2d(3, 4, 3, padding=1),
            nn.Conv2d(4, 8, 3, padding=1),
            nn.Conv2d(8, 8, 1),
        )
        self.up2, self.up1 = nn.ConvTranspose2d(8, 8, 2, 2), nn.ConvTranspose2d(16, 4, 2, 2)

    def join(self, up: Tensor, skip: Tensor) -> Tensor:
        pad = [0] * 4
        for i in range(2):
            if skip.shape[-i - 1] != up.shape[-i - 1]:
                pad[i * 2 + 1] = 1
        return torch.cat([skip, F.pad(up, pad, "replicate")], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.a(x)
        b = self.b(F.max_pool2d(a, 2))
        c = self.c(F.max_pool2d(b, 2))
        return self.join(self.up1(self.join(self.up2(c), b)), a)


class CroppingUnet(nn.Module):
    """Unpadded convolutions; skips are cropped by slices, or by negative padding."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 8, 3), nn.Conv2d(8, 8, 3)
        self.up2, self.up1 = nn.ConvTranspose2d(8, 8, 2, 2), nn.ConvTranspose2d(16, 4, 2, 2)

    def crop(self, skip: Tensor, target: Tensor) -> Tensor:
        h, w = target.shape[2:]
        top, left = (skip.shape[2] - h) // 2, (skip.shape[3] - w) // 2
        return skip[:, :, top : top + h, left : left + w]

    def forward(self, x: Tensor) -> Tensor:
        a = self.a(x)
        b = self.b(F.max_pool2d(a, 2))
        up = self.up2(self.c(F.max_pool2d(b, 2)))
        y = self.up1(torch.cat([up, self.crop(b, up)], 1))
        dy, dx = y.shape[-2] - a.shape[-2], y.shape[-1] - a.shape[-1]
        return torch.cat([y, F.pad(a, (dx // 2, dx - dx // 2, dy // 2, dy - dy // 2))], 1)


class SegNet(nn.Module):
    """Max unpooling with indices, and sizes given at run time."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.pool, self.unpool = nn.MaxPool2d(2, 2, return_indices=True), nn.MaxUnpool2d(2, 2)
        self.up = nn.ConvTranspose2d(4, 2, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.a(x)
        pooled, indices = self.pool(a)
        y = self.unpool(self.b(pooled), indices, output_size=a.size())
        half = F.avg_pool2d(y, 2, ceil_mode=True)
        return self.up(half, output_size=y.shape[-2:])


class Shuffling(nn.Module):
    """Pixel shuffles, strided slices, einops-like reshapes, squeeze and excitation, channel and spatial attention."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.fc1, self.fc2 = nn.Conv2d(12, 16, 1), nn.Linear(16, 4), nn.Linear(4, 16)
        self.spatial, self.up = nn.Conv2d(2, 1, 7, padding=3), nn.Conv2d(16, 12, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat(
            [x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], 1
        )
        x = self.stem(x)
        b, c, _, _ = x.size()
        y = F.adaptive_avg_pool2d(x, 1).view(b, c)
        x = x * torch.sigmoid(self.fc2(F.relu(self.fc1(y)))).view(b, c, 1, 1).expand_as(x)
        ends = torch.cat(
            [torch.max(x, 1)[0].unsqueeze(1), torch.mean(x, 1).unsqueeze(1)], dim=1
        )
        return F.pixel_shuffle(self.up(x * self.spatial(ends).sigmoid()), 2)


class LayerNorm2d(nn.Module):
    """Over channels first, by hand."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.rand(n)), nn.Parameter(torch.rand(n))

    def forward(self, x: Tensor) -> Tensor:
        u = x.mean(1, keepdim=True)
        s = (x - u).pow(2).mean(1, keepdim=True)
        x = (x - u) / torch.sqrt(s + 1e-6)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class NextBlock(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.dw, self.norm = nn.Conv2d(n, n, 7, padding=3, groups=n), nn.LayerNorm(n)
        self.p1, self.p2 = nn.Linear(n, 4 * n), nn.Linear(4 * n, n)
        self.gamma = nn.Parameter(torch.rand(n))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.dw(x).permute(0, 2, 3, 1))
        y = self.gamma * self.p2(F.gelu(self.p1(y)))
        return x + y.permute(0, 3, 1, 2)


class ConvNext(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 4, 4), LayerNorm2d(8)
        self.blocks = nn.Sequential(NextBlock(8), NextBlock(8))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.norm(self.stem(x)))


class SamePadding(nn.Conv2d):
    """The padding of TensorFlow: by the input's size."""

    def forward(self, x: Tensor) -> Tensor:
        ih, iw = x.size()[-2:]
        kh, kw = self.weight.size()[-2:]
        sh, sw = self.stride
        oh, ow = math.ceil(ih / sh), math.ceil(iw / sw)
        ph = max((oh - 1) * sh + (kh - 1) * self.dilation[0] + 1 - ih, 0)
        pw = max((ow - 1) * sw + (kw - 1) * self.dilation[1] + 1 - iw, 0)
        if ph > 0 or pw > 0:
            x = F.pad(x, [pw // 2, pw - pw // 2, ph // 2, ph - ph // 2])
        return F.conv2d(
            x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )


class StandardizedConv(nn.Conv2d):
    """Weights that are computed at run time."""

    def forward(self, x: Tensor) -> Tensor:
        w = self.weight
        w = (w - w.mean(dim=(1, 2, 3), keepdim=True)) / (
            w.std(dim=(1, 2, 3), keepdim=True) + 1e-5
        )
        return F.conv2d(x, w, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Same(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (
            SamePadding(3, 4, 3, 2),
            SamePadding(4, 4, 5, 2),
            StandardizedConv(4, 4, 3, padding=1),
        )
        self.act = nn.PReLU(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.c(self.b(F.relu6(self.a(x)))))


class PadToMultiple(nn.Module):
    """Pads the input to a multiple, and crops the output."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 4, 4, 4), nn.ConvTranspose2d(4, 3, 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[-2:]
        y = F.pad(x, (0, (4 - w % 4) % 4, 0, (4 - h % 4) % 4))
        y = self.up(self.down(y))
        return x - y[..., :h, :w]


class PadIfNeeded(nn.Module):
    """The same, where it is needed."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Conv2d(3, 4, 4, 4), nn.ConvTranspose2d(4, 3, 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[-2:]
        y = x
        if h % 4 != 0:
            y = F.pad(y, (0, 0, 0, 4 - h % 4), mode="reflect")
        if w % 4 != 0:
            y = F.pad(y, (0, 4 - w % 4))
        y = self.up(self.down(y))
        return y[:, :, :h, :w]


class Vit(nn.Module):
    """Patches, a class token, positions, attention by hand and by torch's function, back to a map."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.qkv, self.out = (
            nn.Conv2d(3, 16, 8, 8),
            nn.Linear(16, 48),
            nn.Linear(16, 16),
        )
        self.cls, self.pos = (
            nn.Parameter(torch.rand(1, 1, 16)),
            nn.Parameter(torch.rand(1, 1 + 8 * 6, 16)),
        )
        self.norm, self.mha = nn.LayerNorm(16), nn.MultiheadAttention(16, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        b = x.shape[0]
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls.expand(b, -1, -1), x), dim=1) + self.pos
        n = x.shape[1]
        q, k, v = self.qkv(self.norm(x)).reshape(b, n, 3, 4, 4).permute(2, 0, 3, 1, 4).unbind(0)
        attention = ((q * 4**-0.5) @ k.transpose(-2, -1)).softmax(dim=-1)
        x = x + self.out((attention @ v).transpose(1, 2).reshape(b, n, 16))
        q, k, v = (t.reshape(b, n, 4, 4).transpose(1, 2) for t in self.qkv(x).chunk(3, dim=-1))
        x = x + F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.mha(x, x, x, need_weights=False)[0]
        return x[:, 1:].transpose(1, 2).reshape(b, 16, 8, 6)


class Fpn(nn.Module):
    """Lateral connections, a dict of maps, a norm whose weights torch computes, hooks of torch's own."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            [nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 2, 1)]
        )
        self.lateral = nn.ModuleList([nn.Conv2d(4, 4, 1) for _ in range(3)])
        self.last = nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 2, 3, padding=1))

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        inner = self.lateral[-1](maps[-1])
        found = [self.last(inner)]
        for i in (1, 0):
            lateral = self.lateral[i](maps[i])
            inner = lateral + F.interpolate(inner, size=lateral.shape[-2:], mode="nearest")
            found.insert(0, self.last(inner))
        return found


class Unet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.e1, self.e2, self.mid = (
            nn.Conv2d(i, o, 3, padding=1) for i, o in ((1, 4), (4, 8), (8, 8))
        )
        self.pool, self.up2, self.up1 = (
            nn.MaxPool2d(2),
            nn.ConvTranspose2d(8, 8, 2, 2),
            nn.ConvTranspose2d(16, 4, 2, 2),
        )

    def forward(self, x: Tensor) -> Tensor:
        e1 = self.e1(x)
        e2 = self.e2(self.pool(e1))
        d2 = torch.cat((self.up2(self.mid(self.pool(e2))), e2), 1)
        return torch.cat((self.up1(d2), e1), 1)


class Checked(Unet):
    """Refuses sizes itself."""

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2] % 4 != 0 or x.shape[3] % 4 != 0:
            raise ValueError(f"the input is {tuple(x.shape)}; it needs multiples of 4")
        return super().forward(x)


MODULES: dict[str, tuple[Callable[[], Any], int]] = {
    "resnet": (ResNet, 3), "vgg": (Vgg, 3), "densenet": (DenseNet, 3), "deeplab": (DeepLab, 3),
    "interpolating": (Interpolating, 3), "gated": (Gated, 3), "padding": (PaddingUnet, 3),
    "resizing": (ResizingUnet, 3), "replicating": (ReplicatingUnet, 3), "cropping": (CroppingUnet, 3),
    "segnet": (SegNet, 3), "shuffling": (Shuffling, 3), "convnext": (ConvNext, 3), "same": (Same, 3),
    "multiple": (PadToMultiple, 3), "if needed": (PadIfNeeded, 3), "vit": (Vit, 3), "fpn": (Fpn, 3),
    "unet": (Unet, 1), "checked": (Checked, 1),
}  # fmt: skip


class Encoder(nn.Module):
    """A classifier: strided convolutions, a pooling of all, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3), nn.ReLU())
        self.deep = nn.Sequential(
            nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 2, 2), nn.ReLU()
        )
        self.head = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.deep(self.stem(x)).mean((2, 3)))  # type: ignore[no-any-return]
