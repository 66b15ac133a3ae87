"""Every method and objective: the loss falls, and what was trained loads again and answers."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.conftest import TRAINING
from tuneline.base_model import BaseModelRef, load_model, load_tokenizer
from tuneline.errors import TrainingError
from tuneline.generation import GenerationConfig, Generator, ModelArtifact
from tuneline.machine import this_machine
from tuneline.records import Message, Record
from tuneline.reports import TrainingReport
from tuneline.training import merging, trainer
from tuneline.training.chat_format import encode
from tuneline.training.config import WITHOUT_ADAPTER, TrainingConfig
from tuneline.training.methods import METHODS
from tuneline.training.saving import attach

LEARNING_RATES = {"full": 0.003, "freeze": 0.01, "galore": 0.02, "loraplus": 0.003}
"""Where not the fixture's 0.01."""


def config_of(**settings: object) -> TrainingConfig:
    return TrainingConfig.model_validate(TRAINING.model_dump() | settings)


def loss_of(model, record: Record, tokenizer) -> float:
    import torch

    row = encode(record, tokenizer)
    with torch.inference_mode():
        ids, labels = torch.tensor([row.input_ids]), torch.tensor([row.labels])
        return float(model.eval()(input_ids=ids, labels=labels).loss)


@pytest.fixture(scope="module")
def by_method(tiny_model: BaseModelRef, records: list[Record], tmp_path_factory):
    """Method -> folder and report, trained once."""
    done: dict[str, tuple[Path, TrainingReport]] = {}

    def run(method: str) -> tuple[Path, TrainingReport]:
        if method not in done:
            out = tmp_path_factory.mktemp(method)
            rate = LEARNING_RATES.get(method, TRAINING.learning_rate)
            config = config_of(method=method, learning_rate=rate, max_steps=10)
            report = trainer.train(tiny_model, records, [], config, this_machine(), out)
            done[method] = out / trainer.ADAPTER, report
        return done[method]

    return run


@pytest.mark.parametrize("method", METHODS)
def test_the_loss_falls(by_method, method: str):
    losses = [loss for _, loss in by_method(method)[1].losses]
    assert losses[0] == pytest.approx(5.64, abs=0.25), "that of a uniform guess"
    assert sum(losses[-3:]) / 3 < losses[0] - 0.4


@pytest.mark.parametrize("method", METHODS)
def test_the_merged_model_has_what_was_learned_and_answers(
    by_method, tiny_model: BaseModelRef, records: list[Record], method: str, tmp_path: Path
):
    machine = this_machine()
    merging.merge(tiny_model.folder, by_method(method)[0], records[:4], machine, tmp_path)
    tokenizer = load_tokenizer(tiny_model.folder)
    before = loss_of(load_model(tiny_model.folder, machine), records[0], tokenizer)
    after = loss_of(load_model(tmp_path, machine), records[0], tokenizer)
    assert after < before - 0.4
    artifact = ModelArtifact(method, tmp_path, method)
    generator = Generator.load(artifact, machine, GenerationConfig(max_new_tokens=4))
    predictions, _ = generator.generate([records[0].prompt])
    assert predictions[0].text is not None


def test_pissa_is_saved_as_a_change_of_the_base_as_it_was(
    by_method, tiny_model: BaseModelRef, records: list[Record]
):
    """Its own base is the residual: an adapter that did not say so would be noise."""
    folder, report = by_method("pissa")
    model = attach(load_model(tiny_model.folder, this_machine()), folder)
    loss = loss_of(model, records[0], load_tokenizer(tiny_model.folder))
    assert loss < report.losses[0][1] - 0.4


@pytest.mark.parametrize("method", METHODS)
def test_only_what_the_method_names_is_trained(tiny_model: BaseModelRef, method: str):
    model = METHODS[method](tiny_model.folder, config_of(method=method), this_machine())
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    assert names
    if method not in WITHOUT_ADAPTER:
        assert all("lora_" in name for name in names)
    if method == "freeze":
        assert all(".layers." in name for name in names)
    if method in {"full", "galore"}:
        assert len(names) == len(list(model.named_parameters()))


def test_more_layers_than_the_model_has_are_named(tiny_model: BaseModelRef):
    config = config_of(method="freeze", trainable_layers=9)
    with pytest.raises(TrainingError, match=r"trainable_layers is 9; .* has 2 layers"):
        METHODS["freeze"](tiny_model.folder, config, this_machine())


@pytest.mark.parametrize("method", ["pissa", "loraplus", "galore", "freeze"])
def test_every_method_goes_on_after_an_interruption_as_if_there_was_none(
    by_method, tiny_model: BaseModelRef, records: list[Record], method: str, tmp_path: Path
):
    rate = LEARNING_RATES.get(method, TRAINING.learning_rate)
    config = config_of(method=method, learning_rate=rate, max_steps=10)

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    arguments = tiny_model, records, [], config, this_machine(), tmp_path
    with pytest.raises(KeyboardInterrupt):
        trainer.train(*arguments, progress=stop)
    report = trainer.train(*arguments)
    assert report.losses == by_method(method)[1].losses


def preference(line: int, answer: str, **labels: object) -> Record:
    turns = Message("user", f"Is {line} good?"), Message("assistant", answer)
    return Record(turns, "good", "good.jsonl", line + 1, **labels)


PREFERENCES = {
    "dpo": [preference(i, "Yes", rejected="No") for i in range(24)],
    "kto": [preference(i, ("Yes", "No")[i % 2], is_desirable=i % 2 == 0) for i in range(24)],
}


@pytest.mark.parametrize("objective", ["dpo", "kto"])
def test_preferences_are_learned(tiny_model: BaseModelRef, tmp_path: Path, objective: str):
    config = config_of(objective=objective, method="lora", max_steps=10, dropout=0.0)
    told: list[dict[str, float]] = []
    report = trainer.train(
        tiny_model,
        PREFERENCES[objective],
        PREFERENCES[objective][:4],
        config,
        this_machine(),
        tmp_path,
        log_metrics=lambda metrics, step: told.append(metrics),
    )
    assert report.losses[-1][1] < report.losses[0][1] - 0.05
    attach(load_model(tiny_model.folder, this_machine()), tmp_path / trainer.ADAPTER)
    margins = [metrics["rewards/margins"] for metrics in told if "rewards/margins" in metrics]
    assert margins[-1] > margins[0]


def test_a_packed_record_does_not_see_its_neighbours(
    tiny_model: BaseModelRef, records: list[Record], tmp_path: Path
):
    """One long row of eight records has the loss and the gradient of a batch of eight."""
    first: list[dict[str, float]] = []
    for name, batch in {
        "padded": {"batch_size": 8},
        "packed": {"batch_size": 1, "packing": True},
    }.items():
        settings = {"method": "lora", "dropout": 0.0, "max_steps": 1, "max_seq_tokens": 512}
        told: list[dict[str, float]] = []
        trainer.train(
            tiny_model,
            records[:8],
            [],
            config_of(**settings, **batch),
            this_machine(),
            made(tmp_path / name),
            log_metrics=lambda metrics, step, told=told: told.append(metrics),
        )
        first.append(told[0])
    padded, packed = first
    assert packed["loss"] == pytest.approx(padded["loss"], abs=1e-4)
    assert packed["grad_norm"] == pytest.approx(padded["grad_norm"], rel=1e-3)


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_noise_on_the_embeddings_changes_training_and_not_the_saved_model(
    tiny_model: BaseModelRef, records: list[Record], tmp_path: Path
):
    losses = []
    for name, alpha in {"quiet": None, "noisy": 5.0}.items():
        config = config_of(method="lora", max_steps=3, neftune_alpha=alpha)
        out = made(tmp_path / name)
        losses.append(trainer.train(tiny_model, records, [], config, this_machine(), out).losses)
    assert losses[0] != losses[1]
    attach(load_model(tiny_model.folder, this_machine()), tmp_path / "noisy" / trainer.ADAPTER)


def test_records_without_a_worse_answer_cannot_train_dpo(
    tiny_model: BaseModelRef, records: list[Record], tmp_path: Path
):
    config = config_of(objective="dpo", method="lora")
    with pytest.raises(TrainingError, match="needs records with a better and a worse answer"):
        trainer.train(tiny_model, records, [], config, this_machine(), tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        {"objective": "dpo", "method": "full"},
        {"objective": "kto", "method": "pissa"},
        {"method": "full", "loraplus_ratio": 8},
        {"objective": "dpo", "packing": True},
    ],
)
def test_settings_that_do_not_fit_each_other_are_refused(settings: dict[str, object]):
    with pytest.raises(ValidationError):
        config_of(**settings)


@pytest.mark.parametrize("objective", ["dpo", "kto"])
def test_preferences_that_are_all_too_long_are_an_error(
    tiny_model: BaseModelRef, tmp_path: Path, objective: str
):
    config = config_of(objective=objective, method="lora", max_seq_tokens=16)
    with pytest.raises(TrainingError, match="no record fits into max_seq_tokens=16"):
        trainer.train(tiny_model, PREFERENCES[objective], [], config, this_machine(), tmp_path)
