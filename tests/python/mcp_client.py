"""Tests of `agb mcp` with the official Python SDK of the Model Context Protocol.

`cargo xtask mcp` installs the SDK into a temporary environment, starts `agb serve` and `agb mcp --listen`, and runs this
file. To run it manually, set AGB (the program), AGB_ENDPOINT, AGB_API_KEY, AGB_MCP_URL and AGB_MCP_TOKEN, and use an
interpreter that has mcp.txt installed. All names are unique, so it can run repeatedly against the same service.
"""

import asyncio
import base64
import functools
import json
import logging
import os
import unittest
import uuid

import httpx2  # comes with the SDK
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ResourceTemplateReference

# The SDK warns about each session that ends, and asyncio about each slow step.
logging.disable(logging.WARNING)

AGB = os.environ["AGB"]
URL = os.environ["AGB_MCP_URL"]
TOKEN = os.environ["AGB_MCP_TOKEN"]
ENVIRONMENT = {name: os.environ[name] for name in ("AGB_ENDPOINT", "AGB_API_KEY")}

READ = {"list_contexts", "get_context", "list_files", "stat_file", "read_file", "search_files"}
WRITE = {"write_file", "edit_file", "delete_file", "create_context", "create_upload_url"}
DESTRUCTIVE = {"delete_context", "clear_context"}

HOSTILE_PATHS = ["", "a", "../a", "/../../etc/passwd", "/a/./b", "//a", "/a\0", "/a\n", "C:\\a", "/" + "x" * 50_000]


def stdio(*options, mode="auto"):
    """A client of a server that it starts."""
    arguments = ["mcp", "--no-dotenv", *options]
    return Client(StdioServerParameters(command=AGB, args=arguments, env=ENVIRONMENT), mode=mode)


class Agent:
    """A client that keeps the answers apart from the failures."""

    def __init__(self, client):
        self.client = client

    async def call(self, tool, **arguments):
        result = await self.client.call_tool(tool, arguments)
        assert not result.is_error, (tool, result)
        assert json.loads(result.content[0].text) == result.structured_content, tool
        return result.structured_content

    async def fail(self, tool, **arguments):
        result = await self.client.call_tool(tool, arguments)
        assert result.is_error, (tool, result)
        failure = json.loads(result.content[0].text)
        assert failure["next_step"] and failure["message"], failure
        for secret in (ENVIRONMENT["AGB_API_KEY"], TOKEN, "ignature="):
            assert secret not in result.content[0].text
        return failure["kind"]


def connected(test):
    """Runs a test with a client and a context. The SDK requires one task for all of it, so that setUp can't connect."""

    @functools.wraps(test)
    async def run(self):
        async with self.connect() as client:
            self.client, self.agent = client, Agent(client)
            self.context = f"mcp-{uuid.uuid4().hex[:12]}"
            await self.agent.call("create_context", name=self.context)
            await test(self)
            await self.agent.call("delete_context", context=self.context)

    return run


class Common:
    """Tests that run over each transport."""

    def connect(self):
        raise NotImplementedError

    @connected
    async def test_every_tool(self):
        agent, context = self.agent, self.context
        tools = {tool.name for tool in (await self.client.list_tools()).tools}
        self.assertEqual(tools, READ | WRITE | DESTRUCTIVE)
        listed = await agent.call("list_contexts", limit=500)
        self.assertIn(context, [entry["name"] for entry in listed["contexts"]])
        self.assertEqual((await agent.call("get_context", context=context))["state"], "available")
        written = await agent.call("write_file", context=context, path="/d/a.txt", content="one\ntwo\n")
        stat = await agent.call("stat_file", context=context, path="/d/a.txt")
        self.assertEqual((stat["version"], stat["size"]), (written["version"], 8))
        entries = (await agent.call("list_files", context=context, path="/d"))["entries"]
        self.assertEqual([entry["path"] for entry in entries], ["/d/a.txt"])
        edit = {"context": context, "path": "/d/a.txt", "old_text": "two", "new_text": "2"}
        await agent.call("edit_file", **edit, if_version=written["version"])
        part = await agent.call("read_file", context=context, path="/d/a.txt", start_line=2)
        self.assertEqual((part["content"], part["start_line"]), ("2\n", 2))
        found = await agent.call("search_files", context=context, name="*.txt", content="one")
        self.assertEqual(found["files"][0]["lines"], [{"line": 1, "text": "one"}])
        put = (await agent.call("create_upload_url", context=context, path="/up"))["put"]["url"]
        sent = await asyncio.to_thread(httpx2.put, put, content=b"up")
        self.assertEqual(sent.status_code, 200)
        link = await agent.call("read_file", context=context, path="/up", presigned_url=True)
        got = await asyncio.to_thread(httpx2.get, link["get"]["url"])
        self.assertEqual(got.content, b"up")
        await agent.call("delete_file", context=context, path="/up")
        self.assertEqual(await agent.fail("stat_file", context=context, path="/up"), "not_found")
        self.assertTrue((await agent.call("clear_context", context=context))["done"])

    @connected
    async def test_resources_and_completion(self):
        agent, context = self.agent, self.context
        await agent.call("write_file", context=context, path="/docs/ä b.md", content="text")
        uri = f"agb://{context}/docs/%C3%A4%20b.md"
        contents = (await self.client.read_resource(uri)).contents
        self.assertEqual(contents[0].text, "text")
        uris, cursor = [], None
        while True:
            page = await self.client.list_resources(cursor=cursor)
            uris += [resource.uri for resource in page.resources]
            cursor = page.next_cursor
            if cursor is None:
                break
        self.assertIn(f"agb://{context}/", [str(uri) for uri in uris])
        template = (await self.client.list_resource_templates()).resource_templates[0].uri_template
        reference = ResourceTemplateReference(type="ref/resource", uri=template)
        completed = await self.client.complete(
            reference, {"name": "path", "value": "docs/"}, {"context": context}
        )
        self.assertEqual(completed.completion.values, ["docs/%C3%A4%20b.md"])
        completed = await self.client.complete(reference, {"name": "context", "value": context})
        self.assertEqual(completed.completion.values, [context])
        for uri in ["file:///etc/passwd", "agb://" + context + "/none", "agb://none-at-all/a"]:
            with self.assertRaises(MCPError) as raised:
                await self.client.read_resource(uri)
            self.assertTrue(raised.exception.error.data["next_step"])

    @connected
    async def test_hostile_inputs(self):
        agent, context = self.agent, self.context
        for path in HOSTILE_PATHS:
            for tool, more in [
                ("read_file", {}),
                ("stat_file", {}),
                ("delete_file", {}),
                ("write_file", {"content": "x", "overwrite": True}),
                ("edit_file", {"old_text": "a", "new_text": "b"}),
            ]:
                kind = await agent.fail(tool, context=context, path=path, **more)
                self.assertEqual(kind, "invalid_argument", (tool, path[:40]))
        self.assertEqual(await agent.fail("read_file", context=context), "invalid_argument")
        self.assertEqual(await agent.fail("list_files", context=[]), "invalid_argument")
        self.assertEqual(await agent.fail("get_context", context="no such context"), "not_found")

    @connected
    async def test_binary_and_large_files(self):
        agent, context = self.agent, self.context
        content = bytes(range(256)) * 4000
        encoded = base64.b64encode(content).decode()
        written = {"context": context, "path": "/b", "content": encoded, "encoding": "base64"}
        await agent.call("write_file", **written)
        received, arguments = b"", {}
        while True:
            part = await agent.call("read_file", context=context, path="/b", max_bytes=262144, **arguments)
            self.assertEqual(part["encoding"], "base64")
            received += base64.b64decode(part["content"])
            if not part["truncated"]:
                break
            arguments = part["next"]
        self.assertEqual(received, content)
        large = "x" * (5 << 20)
        kind = await agent.fail("write_file", context=context, path="/large", content=large)
        self.assertEqual(kind, "too_large")
        text = "line\n" * 200_000
        await agent.call("write_file", context=context, path="/text", content=text)
        part = await agent.call("read_file", context=context, path="/text")
        self.assertTrue(part["truncated"] and len(part["content"]) <= 65536)
        self.assertEqual(part["size"], len(text))

    @connected
    async def test_hundred_parallel_calls(self):
        agent, context = self.agent, self.context

        async def one(number):
            path = f"/{number}"
            if number % 4 == 3:
                return await agent.fail("read_file", context=context, path="/missing")
            await agent.call("write_file", context=context, path=path, content=path)
            return (await agent.call("read_file", context=context, path=path))["content"]

        answers = await asyncio.gather(*(one(number) for number in range(100)))
        for number, answer in enumerate(answers):
            self.assertEqual(answer, "not_found" if number % 4 == 3 else f"/{number}")

    @connected
    async def test_cancelled_calls(self):
        agent, context = self.agent, self.context
        await agent.call("write_file", context=context, path="/a", content="a")
        calls = [
            asyncio.create_task(agent.call("search_files", context=context, content="a")) for _ in range(50)
        ]
        await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        self.assertEqual((await agent.call("read_file", context=context, path="/a"))["content"], "a")


class Stdio(Common, unittest.IsolatedAsyncioTestCase):
    def connect(self):
        return stdio("--allow-write", "--allow-destructive")


class StdioWithHandshake(Common, unittest.IsolatedAsyncioTestCase):
    """The protocol before 2026-07-28."""

    def connect(self):
        return stdio("--allow-write", "--allow-destructive", mode="legacy")


class Http(Common, unittest.IsolatedAsyncioTestCase):
    mode = "auto"

    def connect(self):
        headers = {"authorization": f"Bearer {TOKEN}"}
        http = httpx2.AsyncClient(headers=headers, timeout=60)
        return Client(streamable_http_client(URL, http_client=http), mode=self.mode)


class HttpWithHandshake(Http):
    mode = "legacy"


class Permissions(unittest.IsolatedAsyncioTestCase):
    async def test_tools_follow_the_options(self):
        for options, expected in [
            ([], READ),
            (["--allow-write"], READ | WRITE),
            (["--allow-destructive"], READ | DESTRUCTIVE),
        ]:
            async with stdio(*options) as client:
                tools = (await client.list_tools()).tools
                self.assertEqual({tool.name for tool in tools}, expected)
                for tool in tools:
                    self.assertEqual(tool.annotations.read_only_hint, tool.name in READ, tool.name)
                for tool in (WRITE | DESTRUCTIVE) - expected:
                    self.assertEqual(await Agent(client).fail(tool), "not_allowed")

    async def test_a_confined_server_reaches_no_other_context(self):
        own, other = (f"mcp-{uuid.uuid4().hex[:12]}" for _ in range(2))
        async with stdio("--allow-write", "--allow-destructive") as client:
            free = Agent(client)
            await free.call("create_context", name=own)
            other_id = (await free.call("create_context", name=other))["id"]
            await free.call("write_file", context=other, path="/secret", content="secret")
            async with stdio("--context", own, "--allow-write", "--allow-destructive") as client:
                agent = Agent(client)
                for reference in (other, other_id):
                    for tool, more in [
                        ("get_context", {}),
                        ("read_file", {"path": "/secret"}),
                        ("search_files", {}),
                        ("clear_context", {}),
                        ("delete_context", {}),
                    ]:
                        kind = await agent.fail(tool, context=reference, **more)
                        self.assertEqual(kind, "not_allowed", tool)
                    with self.assertRaises(MCPError):
                        await client.read_resource(f"agb://{reference}/secret")
                self.assertEqual((await agent.call("list_files"))["context"], own)
            for name in (own, other):
                await free.call("delete_context", context=name)

    async def test_http_needs_the_token_and_a_known_host(self):
        body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        authorized = {"authorization": f"Bearer {TOKEN}"}
        for headers, status in [
            ({}, 401),
            ({"authorization": "Bearer wrong"}, 401),
            ({**authorized, "host": "evil.example"}, 403),
            ({**authorized, "origin": "https://evil.example"}, 403),
        ]:
            response = await asyncio.to_thread(httpx2.post, URL, json=body, headers=headers)
            self.assertEqual(response.status_code, status, headers)


if __name__ == "__main__":
    unittest.main(warnings="ignore")
