"""After the runs: files beside each run, mail where it is set up, notes for the terminal, and never an exception."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import trustme
from mail_servers import Mailbox, account, serving
from report_worlds import NOW, good_day, nothing_to_do

from robotrading.adapters.clock import FixedClock
from robotrading.adapters.notify.envelope import compose, message_id
from robotrading.adapters.notify.files import write_report_files
from robotrading.adapters.notify.report import message, report_html, report_text
from robotrading.adapters.notify.settings import MailSettings, Security
from robotrading.config.defaults import default_config
from robotrading.domain.instrument import AssetClass
from robotrading.domain.report import Attachment, Message, SessionReport
from robotrading.session.job import Job, read_report, write_report
from robotrading.wiring.mail import Delivery, deliver

CLOCK = FixedClock(NOW)
REPORTS = (
    good_day(),
    replace(nothing_to_do(), run_id="run-bonds", kind=AssetClass.BONDS),
    replace(nothing_to_do(), run_id="run-crypto", kind=AssetClass.CRYPTO),
)
PEOPLE = ("ann@example.com", "bob@example.com")


def delivered(mail: MailSettings, folder: Path, reports: tuple[SessionReport, ...] = REPORTS) -> Delivery:
    config = replace(default_config(), mail=mail)
    return deliver(config, reports, {report.run_id: folder / report.run_id for report in reports}, CLOCK)


def test_each_run_gets_its_page_and_its_text(tmp_path: Path):
    found = delivered(MailSettings(), tmp_path)
    assert found.pages == tuple(tmp_path / report.run_id / "report.html" for report in REPORTS)
    for report in REPORTS:
        folder = tmp_path / report.run_id
        assert (folder / "report.html").read_text(encoding="utf-8") == report_html(report)
        assert (folder / "report.txt").read_text(encoding="utf-8") == report_text(report)
        assert not list(folder.glob("*.partial"))


def test_the_json_is_written_only_where_the_session_could_not(tmp_path: Path):
    """A process that died leaves none, or half of one."""
    job = Job("run-bonds", AssetClass.BONDS, str(tmp_path / "run-bonds"))
    Path(job.folder).mkdir()
    write_report(job, REPORTS[1])
    untouched = job.report_path.stat().st_mtime_ns
    (tmp_path / "run-crypto").mkdir()
    (tmp_path / "run-crypto" / "report.json").write_text('{"run_id": "ru')
    delivered(MailSettings(), tmp_path)
    assert job.report_path.stat().st_mtime_ns == untouched
    for report in REPORTS:
        assert read_report(Job(report.run_id, report.kind, str(tmp_path / report.run_id))) == report


def test_a_page_can_be_made_from_the_stored_report(tmp_path: Path):
    stored = msgspec.json.decode(msgspec.json.encode(good_day()), type=SessionReport)
    assert report_html(stored) == report_html(good_day())


def test_an_existing_page_is_replaced_whole(tmp_path: Path):
    (tmp_path / "report.html").write_text("old")
    page, text = write_report_files(good_day(), tmp_path)
    assert (page.name, text.name) == ("report.html", "report.txt")
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_no_mail_set_up_is_a_note(tmp_path: Path):
    notes = delivered(MailSettings(), tmp_path).notes
    assert len(notes) == 1
    assert notes[0].startswith("mail is not set up: GMAIL_ADDRESS, GMAIL_APP_PASSWORD, RECIPIENT_EMAIL wanting")


def test_nothing_to_mail_is_no_note(tmp_path: Path):
    assert delivered(MailSettings(), tmp_path, reports=()).notes == ()


def test_reports_can_be_kept_on_the_disk_alone(tmp_path: Path):
    """A plan that a person is looking at need not be mailed too."""
    folders = {report.run_id: tmp_path / report.run_id for report in REPORTS}
    found = deliver(default_config(), REPORTS, folders, CLOCK, mail=False)
    assert (len(found.pages), found.notes) == (3, ())


def test_a_folder_that_cannot_be_written_is_a_note(tmp_path: Path):
    (tmp_path / REPORTS[0].run_id).write_text("in the way")
    found = delivered(MailSettings(), tmp_path)
    assert len(found.pages) == 2
    assert found.notes[0].startswith("report: the equities report could not be written")


def test_everybody_gets_every_report(tmp_path: Path, authority: trustme.CA, ca_file: str):
    with serving(Mailbox(), authority, Security.STARTTLS) as box:
        found = delivered(account(box.port, Security.STARTTLS, ca_file, recipients=PEOPLE), tmp_path)
    assert found.notes == ("mail: 3 reports sent to 2 recipients",)
    assert sorted(box.recipients) == sorted(PEOPLE * 3)
    assert box.mails[0][2]["Subject"] == message(REPORTS[0]).subject


def test_who_was_not_reached_is_told_with_the_reason(tmp_path: Path, authority: trustme.CA, ca_file: str):
    box = Mailbox(rcpt={"bob@example.com": "550 no such user"})
    with serving(box, authority, Security.SSL):
        notes = delivered(account(box.port, Security.SSL, ca_file, recipients=PEOPLE), tmp_path, REPORTS[:2]).notes
    assert [note.partition(";")[0] for note in notes] == [
        "mail: equities report sent to 1 of 2 recipients", "mail: bonds report sent to 1 of 2 recipients",
    ]  # fmt: skip
    assert "bob@example.com: localhost refused the recipient (550 no such user)" in notes[0]


def test_one_cut_off_mail_leaves_the_other_reports_clean(tmp_path: Path, authority: trustme.CA, ca_file: str):
    """A report that arrived everywhere is told as such beside one that did not."""
    with serving(Mailbox(), authority, Security.SSL, data_size_limit=20_000) as box:
        settings = account(box.port, Security.SSL, ca_file, recipients=PEOPLE)
        notes = delivered(settings, tmp_path, REPORTS[:2]).notes
    assert notes[0].startswith(
        "mail: equities report sent to 0 of 2 recipients; ann@example.com, bob@example.com: localhost refused"
    )
    assert notes[1] == "mail: bonds report sent to 2 of 2 recipients"


def test_a_server_that_is_gone_is_asked_once(tmp_path: Path):
    """What holds for one report holds for the next: no further waiting, no further wrong logins."""
    notes = delivered(account(1, Security.SSL, recipients=PEOPLE), tmp_path).notes
    assert notes[0].startswith(
        "mail: equities report sent to 0 of 2 recipients; ann@example.com, bob@example.com: nothing answers at"
    )
    assert notes[1] == "mail: 2 other reports not tried, for the same reason; all are on the disk"


def test_the_same_mail_has_the_same_id_and_no_other_has():
    one = Message("s", "t", "<p>")
    known = {
        message_id(made, "bot@example.com", person)
        for made in (one, replace(one, subject="u"), replace(one, subject="st", text=""), replace(one, attachments=(Attachment("a", "text/html", b"x"),)))
        for person in PEOPLE
    }  # fmt: skip
    assert len(known) == 8
    assert message_id(one, "bot@example.com", PEOPLE[0]) == message_id(replace(one), "bot@example.com", PEOPLE[0])
    assert message_id(one, "bot@bücher.example", PEOPLE[0]).endswith("@robotrading.invalid>")


def test_odd_attachments_and_half_characters_still_make_a_mail():
    made = Message(
        "s\ud800",
        "t\ud800",
        "<p>\ud800",
        (Attachment("a\r\nb/c\ud800", "no type", b"x"), Attachment("", "text/html", b"")),
    )
    mail = compose(made, "a@b.example", "c@d.example", NOW)
    assert b"\r\n\r\n" in bytes(mail)
    assert [part.get_filename() for part in mail.iter_attachments()] == ["a b-c", "attachment"]
    assert next(iter(mail.iter_attachments())).get_content_type() == "application/octet-stream"
