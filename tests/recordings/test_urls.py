"""Where files go, by URL; and what each provider's own signature looks like."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, urlsplit

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from callstore import errors, open_calls
from callstore.recordings.files import Files
from callstore.testing.contract.recordings import SOUND, available, stopped, stream


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "none of file:, s3:, gs:, az:, memory:"),
        ("ftp://host/calls", "'ftp:' is none of"),
        ("/var/calls", "is none of"),
        ("file://var/calls", "with three slashes"),
        ("file:///", "with three slashes"),
        ("file:calls", "with three slashes"),
        ("file:///var/calls?region=x", "'region' is no option of file:, which has none"),
        ("s3://", "must be s3://bucket/prefix"),
        ("s3://key:secret@bucket", "without a key"),
        ("s3://bucket?endpont=x", "no option of s3:, which has endpoint, region, path_style"),
        ("s3://bucket?path_style=yes", "path_style must be true or false"),
        ("gs://bucket?region=x", "no option of gs:"),
        ("s3://[bucket", "is no URL"),
        ("file:///a\0b", "must be a URL"),
        ("file:///a%00b", "must be a URL"),
        (" s3://bucket", "must be a URL"),
        ("file:///%2F", "with three slashes"),
        ("file:///.", "no . or .."),
        ("s3://bucket/../other", "no . or .."),
        ("s3://bucket#frag", "no # and"),
        ("s3://bucket:99", "must be s3://bucket/prefix"),
        ("s3://bucket?region=", "region must be a word"),
        ("s3://bucket?endpoint=nonsense", "endpoint must be an address"),
        ("s3://bucket?endpoint=http://127.0.0.1:9/%2500", "endpoint must be an address"),
        ("s3://bucket?region=a&region=b", "region is there twice"),
        (7, "must be a URL"),
        (Path("/var/calls"), "must be a URL"),
    ],
)
async def test_what_is_no_such_url_is_refused(url: object, said: str) -> None:
    with pytest.raises(errors.Invalid) as refusal:
        async with open_calls("memory:", recordings=url):  # type: ignore[arg-type]
            pass
    ((pointer, message),) = refusal.value.errors
    assert pointer == "/recordings"
    assert said in message


async def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "übung 100% #1?"
    async with open_calls("memory:", recordings=folder.as_uri()) as calls:
        row = await available(calls)
    assert (folder / row.file_path).read_bytes() == SOUND


async def test_the_environment_says_where_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLSTORE_RECORDINGS", (tmp_path / "there").as_uri())
    async with open_calls(f"sqlite:///{tmp_path}/calls.db") as calls:
        row = await available(calls)
    assert (tmp_path / "there" / row.file_path).read_bytes() == SOUND


async def test_a_cluster_has_to_be_told(new_mongo: str) -> None:
    """A folder of one machine is not where the others would look."""
    async with open_calls(new_mongo) as calls:
        row = await stopped(calls)
        with pytest.raises(errors.StoreError, match="CALLSTORE_RECORDINGS"):
            await calls.recordings.put(row.id, stream(SOUND))
        report = await calls.doctor()
        assert (report.files, report.findings) == (None, [])
        assert (await calls.sweep()).failed == 0


async def test_azure_signs_with_the_accounts_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0")
    url = await signed("az://calls/prod?account=chat")
    assert (url.netloc, url.path) == ("chat.blob.core.windows.net", "/calls/prod/a/b.webm")
    assert {"sig", "se", "sp"} <= parse_qs(url.query).keys()


async def test_google_signs_with_the_service_accounts_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = {
        "type": "service_account",
        "private_key": key.decode(),
        "private_key_id": "1",
        "client_email": "calls@chat.example",
    }
    (tmp_path / "account.json").write_bytes(msgspec.json.encode(account))
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(tmp_path / "account.json"))
    url = await signed("gs://calls/prod")
    assert (url.netloc, url.path) == ("storage.googleapis.com", "/calls/prod/a/b.webm")
    assert parse_qs(url.query)["X-Goog-Expires"] == ["60"]


async def signed(where: str) -> SplitResult:
    url = await Files(where).sign("a/b.webm", timedelta(seconds=60))
    assert url is not None
    return urlsplit(url)


async def test_who_has_no_key_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.StoreError, match=r"az://calls|cannot be signed"):
        await Files("az://calls").sign("a/b.webm", timedelta(seconds=60))
