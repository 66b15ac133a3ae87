"""New data of a domain calls for its retraining."""

from prefect import flow

from flows.one_sentence import fails_in_one_sentence
from tasks import signals
from tuneline.profile import load_profile


@flow(name="watch-inbox", flow_run_name="watch the inbox of {profile}")
@fails_in_one_sentence
def watch_inbox(profile: str) -> bool:
    """Emit `tuneline.data-arrived` where the files of a profile changed since the last look.

    While a file was written to in the last minute the look is put off: it may be half there. The
    first look only takes note.

    Args:
        profile: A file of `profiles/` without its ending, such as `lawyer`.

    Returns:
        Whether new data was found.
    """
    settings = load_profile(profile)
    seen = signals.look(settings)
    if seen.has_news:
        signals.emit(settings.domain, "data-arrived", {"files": seen.n_files})
    signals.remember(settings.domain, seen)
    return seen.has_news
