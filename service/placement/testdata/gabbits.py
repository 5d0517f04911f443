"""Runs placement's own functional tests, which are YAML for gabbi, unmodified against a server.

gabbits.py URL FOLDER [NAME ...]: FOLDER is placement/tests/functional of a checkout of openstack/placement. The fixtures of the
tests, which fill placement's database, are taken from there, too; what they call is replaced by requests to the server. POST
URL/reset has the server begin with an empty database. One line is printed for each test: "ok" or "FAIL", file, name, reason.
"""
import json
import os
import shutil
import sys
import tempfile
import types
import unittest
import urllib.error
import urllib.parse
import urllib.request
import uuid
from unittest import mock

from gabbi import driver
from gabbi import fixture as gabbi_fixture

URL, FOLDER = sys.argv[1], sys.argv[2]
VERSION = "placement 1.39"


def call(method, path, body=None, version=VERSION):
    request = urllib.request.Request(URL + path, method=method, data=None if body is None else json.dumps(body).encode(), headers={
        "X-Auth-Token": "admin", "Content-Type": "application/json", "Accept": "application/json", "OpenStack-API-Version": version})
    try:
        with urllib.request.urlopen(request) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        raise RuntimeError("%s %s: %s %s" % (method, path, error.code, error.read().decode())) from error
    return json.loads(text) if text else None


class Provider:
    def __init__(self, name, identifier):
        self.name, self.uuid = name, identifier

    def set_aggregates(self, aggregates, increment_generation=True):
        del increment_generation
        call("PUT", "/resource_providers/%s/aggregates" % self.uuid,
             {"aggregates": list(aggregates), "resource_provider_generation": self.generation})

    @property
    def generation(self):
        return call("GET", "/resource_providers/" + self.uuid)["generation"]


def create_provider(_context, name, *aggregates, **more):
    made = Provider(name, more.get("uuid") or str(uuid.uuid4()))
    body = {"name": name, "uuid": made.uuid}
    if more.get("parent"):
        body["parent_provider_uuid"] = more["parent"]
    call("POST", "/resource_providers", body)
    if aggregates:
        call("PUT", "/resource_providers/%s/aggregates" % made.uuid,
             {"aggregates": list(aggregates), "resource_provider_generation": made.generation})
    return made


def add_inventory(provider, resource_class, total, **more):
    if resource_class.startswith("CUSTOM_"):
        call("PUT", "/resource_classes/" + resource_class)
    body = {"total": total, "max_unit": total, "resource_class": resource_class}
    body.update(more)
    call("POST", "/resource_providers/%s/inventories" % provider.uuid, body)


def set_traits(provider, *traits):
    for trait in traits:
        if trait.startswith("CUSTOM_"):
            call("PUT", "/traits/" + trait)
    call("PUT", "/resource_providers/%s/traits" % provider.uuid,
         {"traits": list(traits), "resource_provider_generation": provider.generation})


class Named:
    """A user or a project, which nobody makes beforehand here."""

    def __init__(self, _context=None, external_id=None, **_more):
        self.external_id = external_id

    def create(self):
        pass


def create_user_and_project(_context, prefix="fake"):
    return Named(external_id=prefix + "-user"), Named(external_id=prefix + "-project")


class ResourceClass:
    def __init__(self, context=None, name=None, **_more):
        self.name = name

    def create(self):
        call("PUT", "/resource_classes/" + self.name)


def ensure_consumer(_context, user, project, consumer_id=None):
    return types.SimpleNamespace(uuid=consumer_id or str(uuid.uuid4()), user=user, project=project)


def set_allocation(_context, provider, consumer, resources):
    if isinstance(resources, dict):
        wanted = {provider.uuid: {"resources": resources}}
    body = {"allocations": wanted, "user_id": consumer.user.external_id, "project_id": consumer.project.external_id,
            "consumer_generation": None}
    call("PUT", "/allocations/" + consumer.uuid, body, "placement 1.37")


class Sentinels:
    def __getattr__(self, name):
        return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


ENVIRONMENT = ["RP_UUID", "RP_NAME", "RP_UUID1", "RP_NAME1", "RP_UUID2", "RP_NAME2", "PROJECT_ID", "ADMIN_PROJECT_ID", "SERVICE_PROJECT_ID", "USER_ID",
               "PROJECT_ID_ALT", "USER_ID_ALT", "INSTANCE_UUID", "MIGRATION_UUID", "CONSUMER_UUID", "PARENT_PROVIDER_UUID", "ALT_PARENT_PROVIDER_UUID"]


def start(self):
    """What stands in for the start of APIFixture."""
    self.context = mock.MagicMock()
    urllib.request.urlopen(urllib.request.Request(URL + "/reset", method="POST")).close()
    for name in ENVIRONMENT:
        os.environ[name] = str(uuid.uuid4())
    os.environ.update(CUSTOM_RES_CLASS="CUSTOM_IRON_NFV", CUSTOM_RES_CLASS1="CUSTOM_IRON_NFV1", CUSTOM_RES_CLASS2="CUSTOM_IRON_NFV2")


def load_fixtures():
    test_base = types.SimpleNamespace(create_provider=create_provider, add_inventory=add_inventory, set_traits=set_traits,
                                      ensure_consumer=ensure_consumer, create_user_and_project=create_user_and_project, set_allocation=set_allocation)
    stub = mock.MagicMock
    objects = types.SimpleNamespace(project=types.SimpleNamespace(Project=Named), user=types.SimpleNamespace(User=Named),
                                    resource_class=types.SimpleNamespace(ResourceClass=ResourceClass))
    identity = lambda name: name
    names = type("Names", (), {"__getattr__": lambda self, name: name})
    uuids = types.SimpleNamespace(generate_uuid=lambda: str(uuid.uuid4()))
    modules = {"placement": stub(), "placement.conf": stub(), "placement.context": stub(), "placement.deploy": stub(), "placement.policies": stub(),
               "placement.objects": objects, "placement.tests": stub(), "placement.tests.functional": stub(), "placement.tests.functional.db":
               types.SimpleNamespace(test_base=test_base), "placement.tests.functional.fixtures": stub(), "placement.tests.unit": stub(),
               "os_resource_classes": names(), "os_traits": names(), "oslo_config": stub(), "oslo_log": stub(), "oslo_log.fixture": stub(),
               "oslo_policy": stub(), "oslo_utils": types.SimpleNamespace(uuidutils=uuids),
               "oslo_utils.fixture": types.SimpleNamespace(uuidsentinel=Sentinels()), "oslotest": stub()}
    module = types.ModuleType("gabbit_fixtures")
    with mock.patch.dict(sys.modules, modules), open(os.path.join(FOLDER, "fixtures", "gabbits.py")) as text:
        exec(compile(text.read(), "gabbits.py", "exec"), module.__dict__)
    module.APIFixture.start_fixture = start
    module.APIFixture.stop_fixture = lambda self: None
    assert issubclass(module.APIFixture, gabbi_fixture.GabbiFixture)
    return module


class Result(unittest.TestResult):
    def __init__(self, name):
        super().__init__()
        self.file = name

    def say(self, word, test, reason=""):
        print("%s %s %s %s" % (word, self.file, getattr(test, "test_data", {}).get("name", test), reason.strip().replace("\n", " | ")[-600:]), flush=True)

    def addSuccess(self, test):
        self.say("ok", test)

    def addFailure(self, test, error):
        self.say("FAIL", test, str(error[1]))

    addError = addFailure

    def addSkip(self, test, reason):
        self.say("skip", test, reason)


def main():
    fixtures = load_fixtures()
    gabbits = os.path.join(FOLDER, "gabbits")
    names = sys.argv[3:] or sorted(os.listdir(gabbits))
    address = urllib.parse.urlparse(URL)
    for name in names:
        with tempfile.TemporaryDirectory() as alone:
            shutil.copy(os.path.join(gabbits, name), alone)
            suite = driver.build_tests(alone, unittest.TestLoader(), host=address.hostname, port=address.port, fixture_module=fixtures,
                                       test_loader_name=name.replace(".", "_"))
            try:
                suite.run(Result(name))
            except Exception as error:  # a fixture that could not be set up
                print("FAIL %s fixture %s" % (name, str(error).replace("\n", " | ")), flush=True)


main()
