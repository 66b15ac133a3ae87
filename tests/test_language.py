import socket

import pytest

from tuneline.language import identify_language, identify_text
from tuneline.records import Message, Record


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("合同", "zh"),
        ("是", "zh"),
        ("被告人驾驶沪A12345号小型轿车（VIN码LSVAG2180E2100001）逃逸。", "zh"),
        ("依據民法第184條，被告應負賠償責任。", "zh"),
        ("The supplier shall deliver the goods that the buyer ordered, and the buyer pays.", "en"),
        ("Ce contrat est régi par le droit français et tout litige sera porté au tribunal.", "fr"),
        ("Die Vertragsparteien vereinbaren die folgenden Bestimmungen über die Lieferung.", "de"),
        ("この契約は、当事者双方が署名した日から効力を生じるものとする。", "ja"),
        ("이 계약은 당사자 쌍방이 서명한 날부터 효력이 발생한다.", "ko"),
        ("Настоящий договор вступает в силу с момента его подписания сторонами.", "ru"),
        (
            "把下面的句子译成英文：合同自签字之日起生效。The contract takes effect when signed.",
            "zh+en",
        ),
        ("Yes", "unknown"),
        ("2+2=4", "unknown"),
        ("", "unknown"),
        ("!" * 50, "unknown"),
    ],
)
def test_languages_are_told_apart(text, language):
    assert identify_text(text) == language


def test_a_prompt_and_an_answer_in_two_languages_are_a_mixture():
    prompt = Message("user", "请把这句话翻译成英文：当事人应当按照约定全面履行自己的义务。")
    answer = "The parties shall perform their obligations in full as agreed in the contract."
    record = Record((prompt, Message("assistant", answer)), "s", "f", 1)
    assert identify_language(record) == "zh+en"


def test_the_model_is_in_its_package(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert identify_text("El contrato es nulo si falta el consentimiento de las partes.") == "es"
