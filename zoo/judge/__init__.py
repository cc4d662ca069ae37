"""Judges: classifiers of real images, by whose features generated ones are measured."""

from zoo.judge.classifier import Classifier
from zoo.judge.config import ClassifierConfig
from zoo.judge.judge import Judge, KerasJudge
from zoo.judge.loading import load_judge
from zoo.judge.pixels import Pixels

__all__ = ["Classifier", "ClassifierConfig", "Judge", "KerasJudge", "Pixels", "load_judge"]
