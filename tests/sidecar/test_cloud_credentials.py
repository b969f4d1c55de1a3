"""Where obstore finds credentials, shown by what it sends: as each cloud's own clients find them."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from objectstore_watcher.contract import WatchSpec
from objectstore_watcher.errors import StoreError

from tests.fake_s3 import Answer, FakeS3, Received, error, found
from tests.sidecar.tools import Opened

GCS, AZURE = "gs://bucket/key", "abfs://container@account.dfs.core.windows.net/key"

TOKEN = Answer(
    200,
    {"Content-Type": "application/json"},
    json.dumps({"access_token": "token-of-a-service", "expires_in": 3600, "token_type": "Bearer"}).encode(),
)
MANAGED = Answer(
    200,
    {"Content-Type": "application/json"},
    json.dumps(
        {
            "access_token": "token-of-a-service",
            "expires_on": "4000000000",
            "expires_in": "3600",
            "resource": "https://storage.azure.com",
            "token_type": "Bearer",
        }
    ).encode(),
)


def sent(uri: str, *before: Answer) -> list[Received]:
    """What is sent for one look, after so many answers to requests for tokens."""
    with FakeS3(*before, found()) as server:
        spec = WatchSpec(uri=uri, endpoint=server.endpoint)
        assert Opened(spec).look()
        return server.requests


def authorization(uri: str) -> str:
    """How the request for the object is signed."""
    return sent(uri)[-1].headers.get("authorization", "")


def service_account() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return json.dumps(
        {
            "type": "service_account",
            "private_key": pem.decode(),
            "private_key_id": "id",
            "client_email": "watcher@project.iam.gserviceaccount.com",
        }
    )


def claims(header: str) -> dict[str, object]:
    """What a JSON Web Token says."""
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(header.removeprefix("Bearer ").split(".")[1] + "=="))
    return found


def test_google_takes_the_key_file_that_its_own_variable_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key.json"
    file.write_text(service_account())
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    assert claims(authorization(GCS))["iss"] == "watcher@project.iam.gserviceaccount.com"


def test_google_takes_the_login_of_gcloud_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ".config" / "gcloud"
    folder.mkdir(parents=True)
    (folder / "application_default_credentials.json").write_text(service_account())
    monkeypatch.setenv("HOME", str(tmp_path))
    assert claims(authorization(GCS))["iss"] == "watcher@project.iam.gserviceaccount.com"


def test_google_takes_the_key_of_the_sensors_own_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBJECTSTORE_WATCHER_ACCESS_KEY_ID", "watcher@project.iam.gserviceaccount.com")
    monkeypatch.setenv("OBJECTSTORE_WATCHER_SECRET_ACCESS_KEY", service_account())
    assert claims(authorization(GCS))["iss"] == "watcher@project.iam.gserviceaccount.com"
    monkeypatch.setenv("OBJECTSTORE_WATCHER_SECRET_ACCESS_KEY", '{"type": "service_account", "private_key": "hunter2"}')
    with pytest.raises(StoreError) as refused:
        sent(GCS)
    assert refused.value.kind.label == "credentials_invalid"
    assert "hunter2" not in str(refused.value)
    monkeypatch.setenv("OBJECTSTORE_WATCHER_SECRET_ACCESS_KEY", "that of S3")
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", "token")
    assert authorization(GCS) == "Bearer token"


def test_google_takes_the_token_of_the_metadata_service(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeS3(TOKEN) as metadata:
        monkeypatch.setenv("GCE_METADATA_HOST", f"127.0.0.1:{metadata.port}")
        assert authorization(GCS) == "Bearer token-of-a-service"
        assert metadata.requests[0].headers["metadata-flavor"] == "Google"


@pytest.mark.parametrize("variable", ["GOOGLE_SKIP_SIGNATURE", "AZURE_SKIP_SIGNATURE"])
def test_what_is_public_needs_none(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "true")
    assert authorization(GCS if variable.startswith("GOOGLE") else AZURE) == ""


def test_azure_takes_the_key_of_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    assert authorization(AZURE).startswith("SharedKey account:")


def test_the_key_of_another_account_signs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_AZURE_STORAGE_ACCOUNT_NAME", "other")
    monkeypatch.setenv("FLYTE_AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", "sv=2026-01-01&sig=c2ln")  # obstore takes a key before it
    assert authorization(AZURE) == ""


def test_azure_takes_a_sas_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", "sv=2026-01-01&sig=c2ln")
    (request,) = sent(AZURE)
    assert request.target.endswith("sv=2026-01-01&sig=c2ln")


def test_azure_takes_the_identity_of_the_workload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As AKS gives it to pods."""
    file = tmp_path / "token"
    file.write_text("federated-token")
    with FakeS3(TOKEN) as authority:
        for name, value in (("CLIENT_ID", "id"), ("TENANT_ID", "tenant"), ("FEDERATED_TOKEN_FILE", str(file))):
            monkeypatch.setenv(f"AZURE_{name}", value)
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", authority.endpoint)
        assert authorization(AZURE) == "Bearer token-of-a-service"
        assert authority.requests[0].target == "/tenant/oauth2/v2.0/token"


def test_azure_takes_the_client_secret_of_flytekits_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeS3(TOKEN) as authority:
        for name in ("CLIENT_ID", "TENANT_ID", "CLIENT_SECRET"):
            monkeypatch.setenv(f"FLYTE_AZURE_{name}", name.lower())
        monkeypatch.setenv("AZURE_AUTHORITY_HOST", authority.endpoint)
        assert authorization(AZURE) == "Bearer token-of-a-service"
        assert authority.requests[0].target == "/tenant_id/oauth2/v2.0/token"


def test_azure_takes_the_token_of_the_metadata_service(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeS3(MANAGED) as metadata:
        monkeypatch.setenv("AZURE_MSI_ENDPOINT", metadata.endpoint)
        assert authorization(AZURE) == "Bearer token-of-a-service"


def test_a_token_of_a_service_that_is_refused_after_it_worked_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """obstore asks for a new one before the old one's time is over."""
    with FakeS3(TOKEN) as metadata, FakeS3(found(), error(401, "InvalidSecurity")) as server:
        monkeypatch.setenv("GCE_METADATA_HOST", f"127.0.0.1:{metadata.port}")
        store = Opened(WatchSpec(uri=GCS, endpoint=server.endpoint))
        assert store.look()
        with pytest.raises(StoreError) as refused:
            store.look()
    assert refused.value.kind.label == "credentials_renewing"
