"""Tests of the service with the official Python SDK.

`cargo xtask interop` installs the SDK into a temporary environment, starts `agb serve` with two keys and runs
this file. To run it manually, set AGB_ENDPOINT, AGB_API_KEY and AGB_OTHER_API_KEY, and use an interpreter that has
requirements.txt installed. All names are unique, so it can run repeatedly against the same service.
"""

import os
import time
import unittest
import uuid
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

# Disables the log of every call. The SDK reads this when it is imported.
os.environ.setdefault("AGB_LOG_LEVEL", "CRITICAL")

import requests  # noqa: E402  (comes with the SDK)
from agb import AGB  # noqa: E402
from agb.config import Config  # noqa: E402
from agb.context import Context, ContextListParams  # noqa: E402

ENDPOINT = os.environ["AGB_ENDPOINT"].rstrip("/")
KEY = os.environ["AGB_API_KEY"]
OTHER_KEY = os.environ["AGB_OTHER_API_KEY"]
UNKNOWN = "SdkCtx-there-is-no-such-context"
TIMEOUT = 60


def service(key):
    """Returns the context service of the SDK for one key."""
    return AGB(api_key=key, cfg=Config(endpoint=ENDPOINT, timeout_ms=TIMEOUT * 1000)).context


def unique(name):
    return f"interop-{name}-{uuid.uuid4().hex[:12]}"


def call(operation, key=KEY, method="GET", **query):
    """Sends a call without the SDK, to check what the SDK hides."""
    headers = {"authorization": f"Bearer {key}"}
    return requests.request(
        method, f"{ENDPOINT}/sdk/{operation}", params=query, headers=headers, timeout=TIMEOUT
    )


class SdkTestCase(unittest.TestCase):
    """Assertions, and contexts that are deleted after their test."""

    def setUp(self):
        self.contexts = service(KEY)

    def succeeded(self, result):
        self.assertTrue(result.success, getattr(result, "error_message", ""))
        self.assertTrue(result.request_id)
        return result

    def refused(self, result, *words):
        self.assertFalse(result.success)
        self.assertTrue(result.request_id)
        self.assertTrue(result.error_message)
        for word in words:
            self.assertIn(word.lower(), result.error_message.lower())
        return result

    def create(self, label="context", contexts=None):
        contexts = contexts or self.contexts
        context = self.succeeded(contexts.create(unique(label))).context
        self.addCleanup(contexts.delete, context)
        return context

    def upload(self, context, path, content):
        url = self.succeeded(self.contexts.get_file_upload_url(context.id, path)).url
        answer = requests.put(url, data=content, timeout=TIMEOUT)
        # A content type would break the signature of object stores.
        self.assertNotIn("content-type", {name.lower() for name in answer.request.headers})
        self.assertEqual(answer.status_code, 200, answer.text)
        return url

    def download(self, context, path):
        url = self.succeeded(self.contexts.get_file_download_url(context.id, path)).url
        answer = requests.get(url, timeout=TIMEOUT)
        self.assertEqual(answer.status_code, 200, answer.text)
        return answer.content

    def listed(self, context, *where, **how):
        return self.succeeded(self.contexts.list_files(context.id, *where, **how))


class Contexts(SdkTestCase):
    def test_create_then_get_by_name_and_by_id(self):
        name = unique("create")
        created = self.succeeded(self.contexts.create(name))
        self.addCleanup(self.contexts.delete, created.context)
        self.assertTrue(created.context_id)
        self.assertEqual(created.context.name, name)
        self.assertTrue(created.context.created_at)
        self.assertTrue(created.context.last_used_at)

        by_name = self.succeeded(self.contexts.get(name))
        by_id = self.succeeded(self.contexts.get(context_id=created.context_id))
        self.assertEqual(by_name.context_id, created.context_id)
        self.assertEqual(by_id.context.name, name)

    def test_creating_again_returns_the_same_context(self):
        context = self.create()
        again = self.succeeded(self.contexts.get(context.name, create=True))
        self.assertEqual(again.context_id, context.id)

    def test_any_text_can_be_a_name(self):
        name = unique("näme 名前 & +%/?#")
        created = self.succeeded(self.contexts.create(name))
        self.addCleanup(self.contexts.delete, created.context)
        self.assertEqual(self.succeeded(self.contexts.get(name)).context.name, name)

    def test_a_region_is_a_namespace_and_the_default_one_is_hangzhou(self):
        context = self.create("region")
        same = self.contexts.get(context.name, login_region_id="cn-hangzhou")
        self.assertEqual(self.succeeded(same).context_id, context.id)

        self.refused(self.contexts.get(context.name, login_region_id="cn-shanghai"))
        other = self.contexts.get(context.name, create=True, login_region_id="cn-shanghai")
        self.addCleanup(self.contexts.delete, self.succeeded(other).context)
        self.assertNotEqual(other.context_id, context.id)

    def test_an_unknown_region_is_refused(self):
        result = self.contexts.get(unique("region"), create=True, login_region_id="nowhere-1")
        self.refused(result, "loginRegionId")

    def test_a_missing_context_is_refused(self):
        self.refused(self.contexts.get(unique("missing")))
        self.refused(self.contexts.get(context_id=UNKNOWN))

    def test_update_renames(self):
        context = self.create("old")
        old, new = context.name, unique("new")
        context.name = new
        self.succeeded(self.contexts.update(context))
        self.assertEqual(self.succeeded(self.contexts.get(new)).context_id, context.id)
        self.refused(self.contexts.get(old))

    def test_update_to_its_own_name_succeeds(self):
        self.succeeded(self.contexts.update(self.create()))

    def test_update_to_a_name_in_use_is_refused_and_changes_nothing(self):
        first, second = self.create("first"), self.create("second")
        self.refused(self.contexts.update(Context(id=second.id, name=first.name)))
        kept = self.succeeded(self.contexts.get(context_id=second.id))
        self.assertEqual(kept.context.name, second.name)

    def test_delete_removes_it_and_frees_its_name(self):
        context = self.succeeded(self.contexts.create(unique("delete"))).context
        self.succeeded(self.contexts.delete(context))
        self.refused(self.contexts.get(context_id=context.id))
        self.refused(self.contexts.get(context.name))
        again = self.succeeded(self.contexts.create(context.name))
        self.addCleanup(self.contexts.delete, again.context)
        self.assertNotEqual(again.context_id, context.id)

    def test_update_and_delete_of_an_unknown_context_are_refused(self):
        self.refused(self.contexts.update(Context(id=UNKNOWN, name=unique("x"))))
        self.refused(self.contexts.delete(Context(id=UNKNOWN, name="x")))


class Listing(SdkTestCase):
    def setUp(self):
        super().setUp()
        self.mine = {self.create(f"list-{number}").id for number in range(5)}

    def test_max_results_is_the_size_of_a_page(self):
        page = self.succeeded(self.contexts.list(ContextListParams(max_results=3)))
        self.assertEqual(len(page.contexts), 3)
        for context in page.contexts:
            self.assertTrue(context.id and context.name and context.created_at)

    def test_a_large_page_contains_everything(self):
        page = self.succeeded(self.contexts.list(ContextListParams(max_results=1000)))
        self.assertLessEqual(self.mine, {context.id for context in page.contexts})

    def test_the_sdk_does_not_read_the_next_token(self):
        # A known defect of SDK 0.12.0: it reads the token inside `data`, which is an array. If this fails after an
        # upgrade, page with the SDK in the test below.
        page = self.succeeded(self.contexts.list(ContextListParams(max_results=2)))
        self.assertIsNone(page.next_token)
        self.assertTrue(call("ListContexts", maxResults=2).json()["nextToken"])

    def test_pages_contain_every_context_once(self):
        seen, token = [], None
        for _ in range(10_000):
            query = {"maxResults": 2, **({"nextToken": token} if token else {})}
            page = call("ListContexts", **query).json()
            self.assertTrue(page["success"], page)
            self.assertEqual(page["maxResults"], 2)
            self.assertLessEqual(len(page["data"]), 2)
            seen += [context["id"] for context in page["data"]]
            token = page.get("nextToken")
            if not token:
                break
        self.assertEqual(len(seen), len(set(seen)))
        self.assertEqual(len(seen), page["totalCount"])
        self.assertLessEqual(self.mine, set(seen))

    def test_the_sdk_continues_from_a_token(self):
        token = call("ListContexts", maxResults=2).json()["nextToken"]
        first = self.succeeded(self.contexts.list(ContextListParams(max_results=2)))
        params = ContextListParams(max_results=2, next_token=token)
        second = self.succeeded(self.contexts.list(params))
        firsts = {context.id for context in first.contexts}
        self.assertTrue(second.contexts)
        self.assertTrue(firsts.isdisjoint(context.id for context in second.contexts))

    def test_a_bad_token_or_size_is_refused(self):
        self.refused(self.contexts.list(ContextListParams(next_token="no-token")), "nextToken")
        self.refused(self.contexts.list(ContextListParams(max_results=0)), "maxResults")


class Files(SdkTestCase):
    def setUp(self):
        super().setUp()
        self.context = self.create("files")

    def test_a_download_returns_the_uploaded_bytes(self):
        content = bytes(range(256)) * 1024 + b"the end"
        self.upload(self.context, "/data/blob.bin", content)
        self.assertEqual(self.download(self.context, "/data/blob.bin"), content)

    def test_a_second_upload_replaces_the_first(self):
        self.upload(self.context, "/a.txt", b"the first, which is longer")
        self.upload(self.context, "/a.txt", b"second")
        self.assertEqual(self.download(self.context, "/a.txt"), b"second")
        self.assertEqual(self.listed(self.context).count, 1)

    def test_an_empty_file_is_a_file(self):
        self.upload(self.context, "/empty", b"")
        self.assertEqual(self.download(self.context, "/empty"), b"")
        [entry] = self.listed(self.context).entries
        self.assertEqual((entry.file_name, entry.size), ("empty", 0))

    def test_any_text_can_be_a_path(self):
        for path in ["/Ünïcode/文件 1.txt", "/a b/c+d&e=f?g#h.txt", "/100%25.txt", "/🦀"]:
            with self.subTest(path):
                content = path.encode()
                self.upload(self.context, path, content)
                self.assertEqual(self.download(self.context, path), content)
        names = {entry.file_name for entry in self.listed(self.context, "/Ünïcode").entries}
        self.assertEqual(names, {"文件 1.txt"})

    def test_a_url_has_an_expire_time(self):
        result = self.succeeded(self.contexts.get_file_upload_url(self.context.id, "/a"))
        self.assertTrue(int(result.expire_time) > 0)

    def test_listing_returns_files_and_folders_of_one_level(self):
        self.upload(self.context, "/top.txt", b"12345")
        self.upload(self.context, "/data/one.txt", b"1")
        self.upload(self.context, "/data/deep/two.txt", b"22")

        root = self.listed(self.context)
        self.assertEqual(root.count, 2)
        found = {entry.file_path: entry for entry in root.entries}
        self.assertEqual(set(found), {"/data", "/top.txt"})
        self.assertEqual(found["/data"].file_type, "folder")
        top = found["/top.txt"]
        self.assertEqual((top.file_name, top.file_type, top.size), ("top.txt", "file", 5))
        self.assertTrue(top.file_id and top.gmt_create and top.gmt_modified and top.status)

        for folder in ["/data", "/data/"]:
            below = self.listed(self.context, folder)
            paths = [entry.file_path for entry in below.entries]
            self.assertEqual(paths, ["/data/deep", "/data/one.txt"])
        self.assertEqual(self.listed(self.context, "/nowhere").entries, [])

    def test_listing_has_numbered_pages(self):
        names = [f"{number:02}.txt" for number in range(5)]
        for name in names:
            self.upload(self.context, f"/many/{name}", b"x")
        seen = []
        for number in (1, 2, 3):
            page = self.listed(self.context, "/many", page_number=number, page_size=2)
            self.assertEqual(page.count, 5)
            seen += [entry.file_name for entry in page.entries]
        self.assertEqual(seen, names)
        self.assertEqual(self.listed(self.context, "/many", page_number=4, page_size=2).entries, [])

    def test_a_deleted_file_is_gone(self):
        self.upload(self.context, "/data/a.txt", b"a")
        url = self.succeeded(
            self.contexts.get_file_download_url(self.context.id, "/data/a.txt")
        ).url
        self.succeeded(self.contexts.delete_file(self.context.id, "/data/a.txt"))
        self.assertEqual(self.listed(self.context).entries, [])
        self.refused(self.contexts.get_file_download_url(self.context.id, "/data/a.txt"))
        self.assertEqual(requests.get(url, timeout=TIMEOUT).status_code, 404)

    def test_a_missing_file_is_refused(self):
        self.refused(self.contexts.delete_file(self.context.id, "/missing.txt"))
        self.refused(self.contexts.get_file_download_url(self.context.id, "/missing.txt"))

    def test_a_relative_path_is_refused(self):
        for path in ["data/a.txt", "/data/../a.txt", "/data//a.txt"]:
            with self.subTest(path):
                for method in (
                    self.contexts.get_file_upload_url,
                    self.contexts.get_file_download_url,
                    self.contexts.delete_file,
                ):
                    self.refused(method(self.context.id, path), "filePath")
        self.refused(self.contexts.list_files(self.context.id, "data"), "parentFolderPath")

    def test_an_unknown_context_is_refused(self):
        self.refused(self.contexts.get_file_upload_url(UNKNOWN, "/a"))
        self.refused(self.contexts.get_file_download_url(UNKNOWN, "/a"))
        self.refused(self.contexts.delete_file(UNKNOWN, "/a"))
        self.refused(self.contexts.list_files(UNKNOWN))


class PresignedUrls(SdkTestCase):
    PATH = "/data/signed.txt"
    CONTENT = b"as it was"

    def setUp(self):
        super().setUp()
        self.context = self.create("signed")
        self.upload_url = self.upload(self.context, self.PATH, self.CONTENT)
        result = self.contexts.get_file_download_url(self.context.id, self.PATH)
        self.download_url = self.succeeded(result).url

    def assert_refused(self, answer):
        self.assertIn(answer.status_code, range(400, 500), answer.text)
        self.assertNotIn(self.CONTENT, answer.content)

    def tearDown(self):
        self.assertEqual(self.download(self.context, self.PATH), self.CONTENT)

    def test_a_url_works_without_a_key_and_more_than_once(self):
        for _ in range(2):
            answer = requests.get(self.download_url, timeout=TIMEOUT)
            self.assertEqual(answer.content, self.CONTENT)

    def test_a_url_is_valid_for_one_direction(self):
        self.assert_refused(requests.put(self.download_url, data=b"other", timeout=TIMEOUT))
        self.assert_refused(requests.get(self.upload_url, timeout=TIMEOUT))
        self.assert_refused(requests.delete(self.upload_url, timeout=TIMEOUT))

    def test_an_altered_url_is_refused(self):
        parts = urlsplit(self.download_url)
        query = parse_qsl(parts.query, keep_blank_values=True)
        self.assertTrue(query)
        altered = [urlunsplit(parts._replace(query=""))]
        for index, (name, value) in enumerate(query):
            changed, shorter = list(query), list(query)
            changed[index] = (name, value[:-1] + ("0" if value[-1:] != "0" else "1"))
            del shorter[index]
            altered.append(urlunsplit(parts._replace(query=urlencode(changed))))
            altered.append(urlunsplit(parts._replace(query=urlencode(shorter))))
        for url in altered:
            with self.subTest(url):
                self.assertNotEqual(url, self.download_url)
                self.assert_refused(requests.get(url, timeout=TIMEOUT))

    def test_a_signature_is_valid_for_one_url(self):
        upload = urlsplit(self.upload_url)
        url = urlunsplit(upload._replace(query=urlsplit(self.download_url).query))
        self.assert_refused(requests.put(url, data=b"other", timeout=TIMEOUT))


class Clearing(SdkTestCase):
    def setUp(self):
        super().setUp()
        self.context = self.create("clear")
        for number in range(3):
            self.url = self.upload(self.context, f"/data/{number}.txt", b"x")

    def assert_empty(self):
        listed = self.listed(self.context)
        self.assertEqual((listed.entries, listed.count), ([], 0))
        self.refused(self.contexts.get_file_download_url(self.context.id, "/data/0.txt"))

    def test_clear_waits_until_the_files_are_gone(self):
        result = self.contexts.clear(self.context.id, poll_interval=0.2)
        self.assertEqual(self.succeeded(result).status, "available")
        self.assertEqual(result.context_id, self.context.id)
        self.assert_empty()

    def test_clear_async_starts_and_the_status_ends_at_available(self):
        started = self.succeeded(self.contexts.clear_async(self.context.id))
        self.assertEqual(started.status, "clearing")
        deadline = time.monotonic() + TIMEOUT
        while True:
            status = self.succeeded(self.contexts.get_clear_status(self.context.id)).status
            if status == "available":
                break
            self.assertEqual(status, "clearing")
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        self.assert_empty()

    def test_a_cleared_context_keeps_its_name_and_accepts_files(self):
        self.succeeded(self.contexts.clear(self.context.id, poll_interval=0.2))
        again = self.succeeded(self.contexts.get(self.context.name))
        self.assertEqual(again.context_id, self.context.id)
        self.upload(self.context, "/data/0.txt", b"new")
        self.assertEqual(self.download(self.context, "/data/0.txt"), b"new")

    def test_a_url_from_before_the_clear_is_refused(self):
        self.succeeded(self.contexts.clear(self.context.id, poll_interval=0.2))
        answer = requests.put(self.url, data=b"late", timeout=TIMEOUT)
        self.assertIn(answer.status_code, range(400, 500), answer.text)
        self.assert_empty()

    def test_an_unknown_context_is_refused(self):
        self.refused(self.contexts.clear_async(UNKNOWN))
        self.refused(self.contexts.get_clear_status(UNKNOWN))
        self.refused(self.contexts.clear(UNKNOWN, poll_interval=0.2))


class Keys(SdkTestCase):
    def test_a_wrong_key_is_refused_everywhere(self):
        context = self.create("key")
        wrong = service("no-such-key")
        for result in (
            wrong.list(),
            wrong.get(context.name),
            wrong.create(unique("x")),
            wrong.update(context),
            wrong.delete(context),
            wrong.clear_async(context.id),
            wrong.list_files(context.id),
            wrong.get_file_upload_url(context.id, "/a"),
            wrong.get_file_download_url(context.id, "/a"),
            wrong.delete_file(context.id, "/a"),
        ):
            self.refused(result, "key")
        self.succeeded(self.contexts.get(context_id=context.id))

    def test_a_wrong_key_is_a_401_with_an_envelope(self):
        answer = call("ListContexts", key="no-such-key")
        self.assertEqual(answer.status_code, 401)
        body = answer.json()
        self.assertEqual((body["success"], body["httpStatusCode"]), (False, 401))
        self.assertEqual(body["requestId"], answer.headers["x-request-id"])

    def test_contexts_of_another_key_are_not_visible(self):
        context = self.create("tenant")
        self.upload(context, "/secret.txt", b"secret")
        other = service(OTHER_KEY)
        for result in (
            other.get(context_id=context.id),
            other.get(context.name),
            other.update(Context(id=context.id, name=unique("taken"))),
            other.delete(context),
            other.clear_async(context.id),
            other.list_files(context.id),
            other.get_file_upload_url(context.id, "/secret.txt"),
            other.get_file_download_url(context.id, "/secret.txt"),
            other.delete_file(context.id, "/secret.txt"),
        ):
            self.refused(result)
        listed = self.succeeded(other.list(ContextListParams(max_results=1000))).contexts
        self.assertNotIn(context.id, {other.id for other in listed})
        # The name is free for the other key, and a refused context looks like a missing one.
        own = self.succeeded(other.create(context.name))
        self.addCleanup(other.delete, own.context)
        self.assertNotEqual(own.context_id, context.id)
        foreign = other.get(context_id=context.id).error_message
        missing = other.get(context_id=UNKNOWN).error_message
        self.assertEqual(foreign.replace(context.id, ""), missing.replace(UNKNOWN, ""))
        # The context of the owner is unchanged.
        self.assertEqual(self.download(context, "/secret.txt"), b"secret")


class Wire(SdkTestCase):
    def test_an_unknown_operation_and_a_wrong_method_are_envelopes_too(self):
        for answer, status in (
            (call("NoSuchOperation"), 404),
            (call("ListContexts", method="POST"), 405),
        ):
            self.assertEqual(answer.status_code, status)
            body = answer.json()
            self.assertEqual((body["success"], body["httpStatusCode"]), (False, status))
            self.assertTrue(body["requestId"] and body["code"] and body["message"])


if __name__ == "__main__":
    unittest.main()
