"""Prompts to predictions, by whichever runtime an artifact is made for."""

from tuneline.generation.artifact import Likelihood, ModelArtifact, Prediction
from tuneline.generation.chat_tokens import end_token_ids, render_prompt
from tuneline.generation.config import GenerationConfig
from tuneline.generation.engine import ENGINES, Engine
from tuneline.generation.generator import Generator

__all__ = [
    "ENGINES",
    "Engine",
    "GenerationConfig",
    "Generator",
    "Likelihood",
    "ModelArtifact",
    "Prediction",
    "end_token_ids",
    "render_prompt",
]
