import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from tuneline.release.ab.outcome_log import OutcomeLog
from tuneline.release.ab.outcomes import Row

ROOT = Path(__file__).parents[3]
TIME = datetime(2026, 11, 1, tzinfo=UTC)


def rows(*numbers):
    return [Row(f"r{n}", f"用户{n}", TIME, None, {"thumbs_up": 1.0}) for n in numbers]


def test_what_is_recorded_is_read_as_it_was(tmp_path):
    log = OutcomeLog(tmp_path / "new" / "log")
    assert log.append(rows(1, 2)) == (2, 0)
    table = log.read().rows
    assert table["user_id"].to_list() == ["用户1", "用户2"]
    assert table["time"].to_list() == [TIME, TIME]
    [file] = log.files()
    assert file.name == f"{datetime.now(UTC):%Y-%m-%d}.jsonl"


def test_equal_rows_are_recorded_once_also_by_a_writer_that_starts_later(tmp_path):
    log = OutcomeLog(tmp_path)
    assert log.append(rows(1, 1, 2)) == (2, 1)
    assert log.append(rows(2, 3)) == (1, 1)
    assert OutcomeLog(tmp_path).append(rows(1, 2, 3, 4)) == (1, 3)
    assert OutcomeLog(tmp_path).read().rows.height == 4


def test_a_row_that_was_forgotten_is_written_again(tmp_path, monkeypatch):
    monkeypatch.setattr("tuneline.release.ab.outcome_log.MAX_REMEMBERED", 2)
    log = OutcomeLog(tmp_path)
    log.append(rows(1, 2, 3))
    assert log.append(rows(1, 3)) == (1, 1)


def test_a_torn_last_line_is_counted_and_spoils_no_later_row(tmp_path):
    log = OutcomeLog(tmp_path)
    log.append(rows(1, 2))
    [file] = log.files()
    file.write_bytes(file.read_bytes()[:-20])
    read = log.read()
    assert (read.rows.height, [bad.place for bad in read.bad]) == (1, [f"{file}:2"])
    assert OutcomeLog(tmp_path).append(rows(2, 3)) == (2, 0)
    read = log.read()
    assert read.rows["request_id"].to_list() == ["r1", "r2", "r3"]
    assert [bad.place for bad in read.bad] == [f"{file}:2"]


WRITER = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from tuneline.release.ab.outcome_log import OutcomeLog
from tuneline.release.ab.outcomes import Row
log, name = OutcomeLog(Path(sys.argv[1])), sys.argv[2]
for n in range(10_000):
    row = Row(f"{name}-{n}", "u", datetime(2026, 11, 1, tzinfo=UTC), None, {"m": 1.0})
    log.append([row])
    print(row.request_id, flush=True)
"""


def test_of_writers_killed_at_work_nothing_that_they_confirmed_is_lost(tmp_path):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, tmp_path, name],
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
        )
        for name in "ab"
    ]
    told = [writer.stdout.readline().strip() for writer in writers for _ in range(20)]
    for writer in writers:
        writer.kill()
        told += writer.communicate()[0].split("\n")[:-1]
    read = OutcomeLog(tmp_path).read()
    assert len(told) >= 40
    assert set(told) <= set(read.rows["request_id"])
    assert len(read.bad) <= 2


def test_threads_of_one_writer_record_everything_once(tmp_path):
    log = OutcomeLog(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda n: log.append(rows(n, n + 1)), range(0, 40)))
    assert sum(part.recorded for part in done) == 41
    [file] = log.files()
    ids = [json.loads(line)["request_id"] for line in file.read_text().splitlines()]
    assert sorted(ids) == sorted(f"r{n}" for n in range(41))
