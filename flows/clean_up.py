"""Outputs that nobody needs any more go, where a person says so."""

from prefect import flow

from flows.one_sentence import fails_in_one_sentence
from tasks import clean_up as cleaning
from tasks.artifacts import show_table


@flow(name="clean-up", flow_run_name="clean up what is older than {keep_days} days")
@fails_in_one_sentence
def clean_up(keep_days: float = 90, delete: bool = False) -> cleaning.Plan:
    """List what was not used for long and no kept release needs, and delete it where asked to.

    Champions of any time, challengers, their data, adapters and measurements, base models and the
    ledger stay. Of versions that never were a champion the files go, not the history.

    Args:
        keep_days: Keep what was used in so many days.
        delete: Delete; otherwise only list what would be deleted.
    """
    planned = cleaning.plan(keep_days)
    gone = cleaning.delete(planned, keep_days) if delete else 0
    said = f"{gone} deleted" if delete else "nothing deleted, `delete` is off"
    text = (
        f"{len(planned.paths) + len(planned.versions)} things, {planned.size_mib:,.0f} MiB: {said}"
    )
    show_table("workspace", "clean-up", cleaning.rows(planned), text)
    return planned
