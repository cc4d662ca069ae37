"""The OpenAPI document: valid, of every call, and true as far as anybody can make up requests."""

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


def test_requests_that_the_document_allows_and_others_never_break_it(served):
    """What schemathesis makes up is answered as the document says, and with no 5xx."""
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, Phase, given, settings

    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    checks = [schemathesis.checks.not_a_server_error]
    for operation in schema.get_all_operations():
        made = operation.ok().as_strategy()

        @settings(
            max_examples=4,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=made)
        def holds(case):
            answer = case.call(base_url=served.url, headers={"x-request-timeout": "20"})
            case.validate_response(answer, checks=checks)

        holds()
