"""A judge that knows photographs: MobileNetV2, as it was trained on ImageNet."""
