"""Explorers of the lessons: one file each, a view that works without a kernel and its controls.

A view draws its figure once; `at` moves what changes and says in a sentence what is seen. Around it
lies a thin layer of ipywidgets. Where no kernel runs, a still picture of the view takes its place.
"""

from course_ae.classroom.quizzes import quiz
from course_ae.classroom.widgets.code_size import CodeSizeView, code_size_explorer
from course_ae.classroom.widgets.descent import DescentView, descent_explorer
from course_ae.classroom.widgets.epochs import EpochView, epoch_explorer
from course_ae.classroom.widgets.layers import LayerView, layer_explorer
from course_ae.classroom.widgets.lottery import LotteryView, split_lottery
from course_ae.classroom.widgets.preprocessing import PreprocessingView, preprocessing_explorer
from course_ae.classroom.widgets.same_image import SameImageView, same_image_explorer
from course_ae.classroom.widgets.similarity import SimilarityView, similarity_explorer
from course_ae.classroom.widgets.threshold import ThresholdView, threshold_explorer

__all__ = [
    "CodeSizeView", "DescentView", "EpochView", "LayerView", "LotteryView", "PreprocessingView",
    "SameImageView", "SimilarityView", "ThresholdView", "code_size_explorer", "descent_explorer",
    "epoch_explorer", "layer_explorer", "preprocessing_explorer", "quiz", "same_image_explorer",
    "similarity_explorer", "split_lottery", "threshold_explorer",
]  # fmt: skip
