"""More than a hundred ways to get a configuration wrong: each is told in one clear line, and none is a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from robotrading.config.load import load
from robotrading.config.problems import InvalidConfig
from robotrading.domain.errors import ConfigError

# (name, text, line of the mistake, dotted key, parts of the message: the value, the rule, the way out)
VALUES = [
    ("share above one", "capital:\n  share: 1.5\n", 2, "capital.share", ["1.5", "too high", "at most 1"]),
    ("share of zero", "capital:\n  share: 0\n", 2, "capital.share", ["0 is too low", "above 0"]),
    ("share negative", "capital: {share: -0.1}\n", 1, "capital.share", ["-0.1", "above 0"]),
    ("share in percent", "capital:\n  share: 50%\n", 2, "capital.share", ["'50%'", "0.05"]),
    ("share with comma", "capital:\n  share: 0,5\n", 2, "capital.share", ["'0,5'", "decimal point"]),
    ("share as text", "capital:\n  share: half\n", 2, "capital.share", ["'half'", "number above 0"]),
    ("share quoted", "capital:\n  share: '0.5'\n", 2, "capital.share", ["'0.5'", "without quotes"]),
    ("share infinite", "capital:\n  share: .inf\n", 2, "capital.share", ["'.inf'", "finite"]),
    ("share not a number", "capital:\n  share: .nan\n", 2, "capital.share", ["'.nan'", "finite"]),
    ("share empty", "capital:\n  share:\n", 2, "capital.share", ["nothing", "number above 0"]),
    ("share null", "capital:\n  share: null\n", 2, "capital.share", ["nothing", "remove the line"]),
    ("share a list", "capital:\n  share: [0.5]\n", 2, "capital.share", ["a list", "number"]),
    ("share a mapping", "capital:\n  share: {of: 1}\n", 2, "capital.share", ["a mapping", "number"]),
    ("amount negative", "capital:\n  amount: -5\n", 2, "capital.amount", ["-5", "null"]),
    ("amount with thousands", "capital:\n  amount: 1,000,000\n", 2, "capital.amount", ["'1,000,000'", "separators"]),
    ("amount underscored", "capital:\n  amount: 1_000\n", 2, "capital.amount", ["'1_000'", "underscores"]),
    ("amount octal", "capital:\n  amount: 0100\n", 2, "capital.amount", ["'0100'", "octal"]),
    ("amount absurd", "capital:\n  amount: 1e99\n", 2, "capital.amount", ["1E+99", "too high"]),
    ("amount of endless digits", f"capital:\n  amount: {'9' * 5000}\n", 2, "capital.amount", ["999...", "not a number"]),
    ("currency in small letters", "capital:\n  currency: usd\n", 2, "capital.currency", ["'usd'", "'USD'"]),
    ("currency by sign", "capital:\n  currency: $\n", 2, "capital.currency", ["'$'", "three capitals"]),
    ("mode misspelt", "broker:\n  mode: papr\n", 2, "broker.mode", ["'papr'", "Did you mean paper?", "paper, live"]),
    ("mode in capitals", "broker:\n  mode: PAPER\n", 2, "broker.mode", ["'PAPER'", "Did you mean paper?"]),
    ("gateway unknown", "broker:\n  gateway: cloud\n", 2, "broker.gateway", ["'cloud'", "embedded, external"]),
    ("port zero", "broker:\n  port: 0\n", 2, "broker.port", ["0 is too low", "1 to 65535"]),
    ("port too high", "broker:\n  port: 70000\n", 2, "broker.port", ["70000", "1 to 65535"]),
    ("port sexagesimal", "broker:\n  port: 15:30\n", 2, "broker.port", ["'15:30'", "looks like a time"]),
    ("port hexadecimal", "broker:\n  port: 0xFA2\n", 2, "broker.port", ["'0xFA2'", "decimal digits"]),
    ("port octal", "broker:\n  port: 04002\n", 2, "broker.port", ["'04002'", "leading zero"]),
    ("port broken", "broker:\n  port: 4002.5\n", 2, "broker.port", ["'4002.5'", "whole number"]),
    ("port in foreign digits", "broker:\n  port: ٤٠٠٢\n", 2, "broker.port", ["whole number from 1"]),
    ("port a switch", "broker:\n  port: yes\n", 2, "broker.port", ["'yes'", "whole number"]),
    ("host with space", "broker:\n  host: my host\n", 2, "broker.host", ["'my host'", "host name"]),
    ("host empty", "broker:\n  host: ''\n", 2, "broker.host", ["''", "host name"]),
    ("host an address with scheme", "broker:\n  host: http://x\n", 2, "broker.host", ["'http://x'", "127.0.0.1"]),
    ("host with line break", 'broker:\n  host: "a\\nb"\n', 2, "broker.host", ["'a\\nb'", "one line"]),
    ("client id zero", "broker:\n  client_id: 0\n", 2, "broker.client_id", ["0 is too low", "from 1"]),
    ("messages too fast", "broker:\n  messages_per_second: 60\n", 2, "broker.messages_per_second", ["60", "1 to 45"]),
    ("data type", "broker:\n  market_data_type: 5\n", 2, "broker.market_data_type", ["5", "1 to 4"]),
    ("timeout zero", "broker:\n  connect_timeout: 0\n", 2, "broker.connect_timeout", ["0 is too low", "1 to 300"]),
    ("account with dash", "broker:\n  account: DU-123\n", 2, "broker.account", ["'DU-123'", "DU1234567"]),
    ("level misspelt", "log:\n  level: inof\n", 2, "log.level", ["'inof'", "Did you mean info?"]),
    ("state dir empty", "state_dir: ''\n", 1, "state_dir", ["empty"]),
    ("state dir null", "state_dir: ~\n", 1, "state_dir", ["nothing", "remove the line"]),
    ("recipient no address", "mail:\n  recipients: [me]\n", 2, "mail.recipients[0]", ["'me'", "@example.com"]),
    ("recipients a text", "mail:\n  recipients: a@b.c\n", 2, "mail.recipients", ["'a@b.c'", "list"]),
    ("recipient twice", "mail:\n  recipients:\n  - a@b.c\n  - a@b.c\n", 4, "mail.recipients", ["'a@b.c'", "twice"]),
    ("recipient empty", "mail:\n  recipients:\n  - a@b.c\n  -\n", 4, "mail.recipients[1]", ["nothing", "mail address"]),
    ("security misspelt", "mail:\n  security: tls\n", 2, "mail.security", ["'tls'", "ssl, starttls"]),
    ("url with a password", "feeds:\n  yahoo:\n    url: http://u:p@x/\n", 3, "feeds.yahoo.url", ["http://"]),
    ("url without scheme", "feeds:\n  slickcharts:\n    url: x.com\n", 3, "feeds.slickcharts.url", ["'x.com'", "https://"]),
    ("switch as yes", "sessions:\n  bonds:\n    enabled: yes\n", 3, "sessions.bonds.enabled", ["'yes'", "write true"]),
    ("switch as off", "sessions:\n  bonds:\n    enabled: off\n", 3, "sessions.bonds.enabled", ["'off'", "write false"]),
    ("switch as one", "sessions:\n  bonds:\n    enabled: 1\n", 3, "sessions.bonds.enabled", ["'1'", "true or false"]),
    ("switch quoted", "sessions:\n  bonds:\n    enabled: 'false'\n", 3, "sessions.bonds.enabled", ["without quotes"]),
    ("schedule past midnight", "sessions:\n  bonds:\n    schedule: at 24:00\n", 3, "sessions.bonds.schedule", ["'at 24:00'", "'15 minutes before the close'"]),
    ("schedule of before", "sessions:\n  bonds:\n    schedule: 15:30\n", 3, "sessions.bonds.schedule", ["'15:30'", "'at 15:30'"]),
    ("schedule shut", "sessions:\n  bonds:\n    schedule: at 18:00\n", 3, "sessions.bonds.schedule", ["at 18:00 New York time the exchange is shut", "09:30 to 16:00"]),
    ("schedule american", "sessions:\n  bonds:\n    schedule: at 3:30 PM\n", 3, "sessions.bonds.schedule", ["'at 3:30 PM'", "none of the forms"]),
    ("schedule too early", "sessions:\n  bonds:\n    schedule: 7 hours before the close\n", 3, "sessions.bonds.schedule", ["420 before the close", "1 to 389 minutes"]),
    ("schedule on no day", "sessions:\n  bonds:\n    schedule: at 15:30 on funday\n", 3, "sessions.bonds.schedule", ["'on funday' names no days"]),
    ("cron short", "sessions:\n  bonds:\n    schedule: cron 0 15 * *\n", 3, "sessions.bonds.schedule", ["4 words where five are needed"]),
    ("cron on a Sunday", "sessions:\n  bonds:\n    schedule: cron 0 15 * * sun\n", 3, "sessions.bonds.schedule", ["shut on Saturdays"]),
    ("deadline short", "sessions:\n  bonds:\n    deadline: 5\n", 3, "sessions.bonds.deadline", ["5 is too low", "from 30"]),
    ("source unknown", "sessions:\n  bonds:\n    sources: [yaho]\n", 3, "sessions.bonds.sources[0]", ["'yaho'", "Did you mean yahoo?"]),
    ("sources none", "sessions:\n  bonds:\n    sources: []\n", 3, "sessions.bonds.sources", ["empty", "at least one"]),
    ("link unknown", "sessions:\n  bonds:\n    signal:\n      chain: [hmmm, hold]\n", 4, "sessions.bonds.signal.chain[0]", ["'hmmm'", "Did you mean hmm?"]),
    ("states one", "sessions:\n  bonds:\n    signal:\n      hmm: {states: 1}\n", 4, "sessions.bonds.signal.hmm.states", ["1 is too low", "2 to 5"]),
    ("symbol in small letters", "sessions:\n  bonds:\n    universe: {symbols: [tlt]}\n", 3, "sessions.bonds.universe.symbols[0]", ["'tlt'", "'TLT'"]),
    ("symbol with space", "sessions:\n  bonds:\n    universe: {symbols: [T LT]}\n", 3, "sessions.bonds.universe.symbols[0]", ["'T LT'"]),
    ("symbol twice", "sessions:\n  bonds:\n    universe: {symbols: [TLT, TLT]}\n", 3, "sessions.bonds.universe.symbols", ["'TLT'", "twice"]),
    ("symbols a mapping", "sessions:\n  bonds:\n    universe: {symbols: {TLT: 1}}\n", 3, "sessions.bonds.universe.symbols", ["a mapping", "list"]),
    ("nested list", "sessions:\n  bonds:\n    universe: {symbols: [[TLT]]}\n", 3, "sessions.bonds.universe.symbols[0]", ["a list", "symbol"]),
    ("tick zero", "sessions:\n  bonds:\n    universe: {tick: 0}\n", 3, "sessions.bonds.universe.tick", ["0 is too low", "above 0"]),
    ("weight above one", "sessions:\n  bonds:\n    construct:\n      fixed: {TLT: 1.2}\n", 4, "sessions.bonds.construct.fixed.TLT", ["1.2", "0 to 1"]),
    ("weight negative", "sessions:\n  bonds:\n    construct:\n      fixed: {TLT: -0.2}\n", 4, "sessions.bonds.construct.fixed.TLT", ["-0.2", "0 to 1"]),
    ("weight for no symbol", "sessions:\n  bonds:\n    construct:\n      fixed: {t l: 0.2}\n", 4, "sessions.bonds.construct.fixed.t l", ["'t l'", "symbol"]),
    ("weights a list", "sessions:\n  bonds:\n    construct:\n      fixed: [TLT]\n", 4, "sessions.bonds.construct.fixed", ["a list", "mapping"]),
    ("scale min above one", "sessions:\n  bonds:\n    construct: {scale_min: 1.1}\n", 3, "sessions.bonds.construct.scale_min", ["1.1", "0 to 1"]),
    ("scale max below one", "sessions:\n  bonds:\n    construct: {scale_max: 0.9}\n", 3, "sessions.bonds.construct.scale_max", ["0.9", "1 to 10"]),
    ("scheme misspelt", "sessions:\n  bonds:\n    construct: {scheme: inverse_vol}\n", 3, "sessions.bonds.construct.scheme", ["Did you mean inverse_volatility?"]),
    ("stop order", "sessions:\n  bonds:\n    execution: {order_type: stop}\n", 3, "sessions.bonds.execution.order_type", ["'stop'", "limit"]),
    ("quantity of nothing", "sessions:\n  bonds:\n    sizing: {max_quantity: 0}\n", 3, "sessions.bonds.sizing.max_quantity", ["0 is too low", "null"]),
    ("trade to nowhere", "sessions:\n  bonds:\n    bands: {trade_to: middle}\n", 3, "sessions.bonds.bands.trade_to", ["'middle'", "target, edge"]),
]  # fmt: skip
KEYS = [
    ("unknown at the top", "capitol:\n  share: 1\n", 1, "capitol", ["no such key", "Did you mean capital?"]),
    ("unknown below", "broker:\n  prot: 1\n", 2, "broker.prot", ["Did you mean port?"]),
    ("unknown session", "sessions:\n  bond:\n    share: 0.1\n", 2, "sessions.bond", ["Did you mean bonds?"]),
    ("unknown without a neighbour", "zzz: 1\n", 1, "zzz", ["no such key", "capital, broker"]),
    ("key at the wrong level", "scheme: equal\n", 1, "scheme", ["belongs under sessions.equities.construct"]),
    ("section at the wrong level", "limits: {max_positions: 5}\n", 1, "limits", ["belongs under sessions.equities."]),
    ("choice left empty", "broker:\n  gateway:\n", 2, "broker.gateway", ["nothing is written here; write one of embedded, external, or remove"]),
    ("name left empty", "broker:\n  account:\n", 2, "broker.account", ["e.g. DU1234567, or '', or remove"]),
    ("port in the host", "broker:\n  host: 10.0.0.1:4002\n", 2, "broker.host", ["'10.0.0.1:4002' is not", "without a port"]),
    ("key in capitals", "BROKER: {}\n", 1, "BROKER", ["Did you mean broker?"]),
    ("worked-out key", "sessions:\n  bonds:\n    client_id: 5\n", 3, "sessions.bonds.client_id", ["belongs under broker"]),
    ("kind of a session", "sessions:\n  bonds:\n    kind: bonds\n", 3, "sessions.bonds.kind", ["no such key"]),
    ("password in the file", "mail:\n  password: hunter2\n", 2, "mail.password", ["GMAIL_APP_PASSWORD_FILE"]),
    ("password misspelt", "mail:\n  pasword: hunter2\n", 2, "mail.pasword", ["GMAIL_APP_PASSWORD"]),
    ("password at the top", "gmail_app_password: hunter2\n", 1, "gmail_app_password", ["environment"]),
    ("key in the file", "feeds:\n  alpha_vantage:\n    api_key: hunter2\n", 3, "feeds.alpha_vantage.api_key", ["ALPHA_VANTAGE_KEY"]),
    ("secret twice", "mail:\n  password: hunter2\n  password: hunter2\n", 3, "mail.password", ["written twice"]),
    ("key twice", "broker:\n  port: 1\n  port: 2\n", 3, "broker.port", ["written twice", "line 2", "keep one"]),
    ("section twice", "broker:\n  port: 1\nbroker:\n  port: 2\n", 3, "broker", ["written twice", "line 1"]),
    ("section empty", "mail:\nlog: {}\n", 1, "mail", ["nothing", "remove the line"]),
    ("section a scalar", "broker: paper\n", 1, "broker", ["'paper'", "mapping", "gateway, mode"]),
    ("section a list", "sessions: [equities]\n", 1, "sessions", ["a list", "equities, bonds, crypto"]),
    ("key of null", "broker:\n  ~: 1\n", 2, "broker", ["must be a word", "nothing"]),
    ("key of a list", "broker:\n  ? [a]\n  : 1\n", 2, "broker", ["must be a word", "a list"]),
]  # fmt: skip
SYNTAX = [
    ("empty file", "", 1, "", ["no settings"]),
    ("comments only", "# nothing\n\n", 3, "", ["no settings"]),
    ("null file", "---\nnull\n", 2, "", ["no settings"]),
    ("a list at the top", "- broker\n", 1, "", ["a list", "mapping of keys"]),
    ("a text at the top", "hello\n", 1, "", ["'hello'", "mapping of keys"]),
    ("tab in the indentation", "broker:\n\tport: 1\n", 2, "", ["tab", "spaces"]),
    ("two documents", "log: {}\n---\nlog: {}\n", 2, "", ["second document"]),
    ("bracket left open", "capital: {share: 1\n", 2, "", ["not YAML"]),
    ("quote left open", "log:\n  level: 'info\n", 2, "", ["not YAML", "not closed"]),
    ("colon forgotten", "broker:\n  port 4002\n  mode: paper\n", 3, "", ["not YAML"]),
    ("colon in a value", "broker:\n  confirm_live: a: b\n", 2, "", ["not YAML", "quotes"]),
    ("indentation crooked", "broker:\n    port: 1\n  mode: paper\n", 3, "", ["not YAML"]),
    ("reserved character", "broker:\n  host: @x\n", 2, "", ["not YAML", "quotes"]),
    ("python object", "log: !!python/object/apply:os.system [ls]\n", 1, "log", ["tag", "python", "not allowed"]),
    ("own tag", "log: !secret x\n", 1, "log", ["tag", "'!secret'"]),
    ("str tag", "broker:\n  host: !!str x\n", 2, "broker.host", ["tag", "plain value"]),
    ("merge key", "log: &l {level: info}\nmail:\n  <<: *l\n", 3, "mail", ["<<", "write the keys out"]),
    ("alias to nothing", "log: *nothing\n", 1, "log", ["*nothing", "refers to nothing"]),
    ("alias to itself", "log: &a [*a]\n", 1, "log[0]", ["*a", "refers to nothing"]),
    ("too deep", "log: " + "[" * 5000 + "]" * 5000, 1, "", ["deeper than the 12"]),
    ("too many aliases", "log: &a x\nmail: [" + "*a, " * 60 + "]\n", 2, "mail[50]", ["50 references"]),
    ("control character", "broker:\n  host: \x07\n", 2, "", ["U+0007", "remove"]),
]  # fmt: skip
_BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join(['*' + a] * 10)}]\n" for a, b in zip("abcd", "bcde", strict=True)
)


def problems_of(path: Path, env: dict[str, str] | None = None) -> InvalidConfig:
    with pytest.raises(ConfigError) as caught:
        load(path, env or {})
    assert isinstance(caught.value, InvalidConfig)
    return caught.value


def test_there_are_more_than_a_hundred() -> None:
    assert len(VALUES + KEYS + SYNTAX) >= 110


@pytest.mark.parametrize("case", VALUES + KEYS + SYNTAX, ids=[case[0] for case in VALUES + KEYS + SYNTAX])
def test_one_clear_message(tmp_path: Path, case: tuple[str, str, int, str, list[str]]) -> None:
    """Each mistake is one line that begins with file and line, names the key, and says value, rule and way out."""
    name, text, line, key, parts = case
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    error = problems_of(path)
    found = [problem for problem in error.problems if problem.place.line == line and problem.key == key]
    assert found, str(error)
    assert len(str(error).splitlines()) == len(error.problems) == (1 if name != "secret twice" else 3), str(error)
    message = str(found[0])
    assert message.startswith(f"{path}:{line}:")
    assert not [part for part in parts if not any(part in str(problem) for problem in found)], message
    assert "Traceback" not in message
    assert len(message) < len(str(path)) + 400
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        (b"broker:\n  host: caf\xe9\n", ["line 2", "0xe9", "UTF-8"]),
        ("log: {}\n".encode("utf-16"), ["not UTF-8"]),
        (b"log: {}\n\0\0", ["line 2", "NUL"]),
        (b"# " + b"x" * 300_000, ["larger than", "262144"]),
        (b"\xff\xd8\xff\xe0", ["UTF-8"]),
    ],
)
def test_what_is_no_text(tmp_path: Path, raw: bytes, parts: list[str]) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(raw)
    message = str(problems_of(path))
    assert "\n" not in message
    assert not [part for part in [str(path), *parts] if part not in message], message


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    assert "no such file; copy the config.yaml" in str(problems_of(tmp_path / "nowhere.yaml"))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert "not a regular file" in str(problems_of(tmp_path))


def test_a_path_that_cannot_be_one() -> None:
    assert "cannot be read" in str(problems_of(Path("x" * 5000)))
    assert "cannot be read" in str(problems_of(Path("a\0b")))


def test_references_that_multiply_are_stopped(tmp_path: Path) -> None:
    """A small file may not become a large tree, whatever it refers to."""
    path = tmp_path / "config.yaml"
    path.write_text(_BOMB)
    assert "20000 values" in str(problems_of(path))


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    """Mistakes of the file, of the environment and of rules over several keys come together, in order."""
    path = tmp_path / "config.yaml"
    path.write_text("capital: {share: 2}\nbroker: {port: x, acount: U1}\nsessions: {bonds: {share: 0.9}}\n")
    error = problems_of(path, {"IBKR_CLIENT_ID": "none", "DEBUG": "maybe"})
    assert [problem.key for problem in error.problems] == [
        "capital.share",
        "broker.port",
        "broker.acount",
        "sessions.bonds.share",
        "log.level",
        "broker.client_id",
    ]


def test_a_flood_of_mistakes_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("".join(f"k{i}: 1\n" for i in range(70)))
    assert str(problems_of(path)).splitlines()[-1] == "... and 20 more; mend these first"
