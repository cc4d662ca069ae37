"""The OpenAPI document: valid, of every call, and true as far as anybody can make up requests."""

import httpx
import pytest

jsonschema = pytest.importorskip("jsonschema")


def test_every_call_of_every_model_is_described(client, served):
    document = client.get("/openapi.json").json()
    calls = {
        f"/v1/calls/{each.name}/{name}" for each in served.server.repository for name in each.calls
    }
    assert set(document["paths"]) == calls
    operation = document["paths"]["/v1/calls/painter/generate"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["n"]["maximum"] == 1024
    assert body["properties"]["labels"]["anyOf"][0]["maximum"] == 2
    assert "image/png" in operation["responses"]["200"]["content"]
    for each in document["paths"].values():
        schema = each["post"]["requestBody"]["content"]["application/json"]["schema"]
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("mode", ["POSITIVE", "NEGATIVE"])
def test_requests_that_the_document_allows_and_others_are_answered_as_it_says(served, mode):
    """What schemathesis makes up, in and out of the schemas, is answered with no 5xx."""
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, Phase, given, settings

    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    known = schemathesis.checks
    checks = [
        known.not_a_server_error,
        known.status_code_conformance,
        known.content_type_conformance,
        known.response_headers_conformance,
        known.response_schema_conformance,
    ]
    operations = [each for each in schema.get_all_operations() if "/toy/" not in each.ok().path]
    assert len(operations) > 10  # of `chatter` all that `toy` can, and more
    for operation in operations:
        generation = getattr(schemathesis.GenerationMode, mode)
        made = operation.ok().as_strategy(generation_mode=generation)

        @settings(
            max_examples=2,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=made)
        def holds(case):
            answer = case.call(base_url=served.url, headers={"x-request-timeout": "20"}, timeout=60)
            case.validate_response(answer, checks=checks)

        holds()
    assert httpx.get(f"{served.url}/v2/health/ready").status_code == 200
