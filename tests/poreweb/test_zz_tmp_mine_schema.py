import pytest
from datetime import timedelta
from django.contrib.auth.models import User
from knox.models import AuthToken
from schemathesis import GenerationMode
from poreweb.api.schema import described
from tests.poreweb import test_api_schema as base
from tests.poreweb.test_api_schema import keys, open_connection, operations, try_out, with_keys
from tests.poreweb.conftest import *

MINE = ("acquisition", "solar")

@pytest.mark.parametrize("name", ["alice"])
def test_mine(open_connection, subtests, keys, name):
    _, token = AuthToken.objects.create(User.objects.get(username=name), timedelta(days=1))
    for operation in operations(with_keys(described(), keys)):
        if not any(word in operation.label for word in MINE): continue
        seen = set()
        with subtests.test(operation.label):
            seen |= try_out(operation, GenerationMode.POSITIVE, token)
            if operation.query or operation.body or operation.path_parameters:
                seen |= try_out(operation, GenerationMode.NEGATIVE, token)
        print(name, operation.label, sorted(seen))
