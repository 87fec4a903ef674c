"""Texts that are too deep, too long, twice there, not Unicode, or not what they seem: JSON, YAML, HTML, names, tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.fuzz.mutations import flipped, named, shuffled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.fuzz.mutations import Case

DEEP = 100_000

_VALUES: dict[str, bytes] = {
    "null": b"null",
    "true": b"true",
    "nan": b"NaN",
    "minus-infinity": b"-Infinity",
    "empty-text": b'""',
    "blank": b'" "',
    "zero": b"0",
    "minus-one": b"-1",
    "i64": b"9223372036854775808",
    "u64": b"18446744073709551616",
    "4299-digits": b"9" * 4299,
    "5000-digits": b"9" * 5000,
    "long-fraction": b"0." + b"3" * 200_000,
    "exponent": b"1e999",
    "exponent-down": b"1e-999",
    "exponent-beyond-bounds": b"1e-99999999999999999999999",
    "surrogate": b'"\\ud800"',
    "surrogate-pair-swapped": b'"\\udc00\\ud800"',
    "not-utf8": b'"\xff\xfe"',
    "nul": b'"a\\u0000b"',
    "raw-control": b'"a\nb\x00"',
    "escape-sequence": b'"\\u001b[31mred\\u001b]0;x\\u0007"',
    "bidi": '"\u202ecod.exe\u2066"'.encode(),
    "long-text": b'"' + b"x" * 300_000 + b'"',
    "emoji": '"\U0001f600"'.encode() * 1,
    "script": b'"<script>alert(1)</script>"',
    "entity-with-5000-digits": b'"<p>&#' + b"1" * 5000 + b';</p>"',
    "hex-entity": b'"&#x' + b"f" * 5000 + b';"',
    "empty-list": b"[]",
    "list-of-null": b"[null, null]",
    "list-of-lists": b"[[[[[[[[1]]]]]]]]",
    "many-lists": b"[" + b"[]," * 100_000 + b"[]]",
    "many-objects": b"[" + b'{"id":1},' * 20_000 + b"{}]",
    "deep-63": b"[" * 61 + b"]" * 61,
    "deep-900": b"[" * 900 + b"]" * 900,
    "deep": b"[" * DEEP + b"]" * DEEP,
    "deep-object": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "empty-object": b"{}",
    "many-keys": b"{" + b",".join(b'"k%d":%d' % (each, each) for each in range(20_000)) + b"}",
    "twice": b'{"id":1,"id":2}',
    "odd-keys": b'{"":1,"\\ud800":2,"\\u0000":3,"__proto__":4,"../../x":5}',
    "path": b'"../../../../etc/passwd"',
    "file-address": b'"file:///etc/passwd"',
    "bad-address": b'"http://[::1"',
    "address-with-newline": b'"http://a/\\r\\nX: y"',
}
_FIELDS = {
    "sidecar": ("description", "activation text", "preferred weight", "notes", "sd version", "extensions"),
    "civitai-info": ("id", "modelId", "trainedWords", "files", "images", "model", "description", "extensions"),
    "lora-manager": ("civitai", "sha256", "notes", "usage_tips", "tags", "base_model", "extensions"),
    "stability-matrix": ("VersionId", "Hashes", "TrainedWords", "Source", "ModelType", "Tags", "extensions"),
    "swarm": ("modelspec.tags", "modelspec.lora_default_weight", "modelspec.hash_sha256", "modelspec.description"),
    "answer": ("id", "name", "modelVersions", "tags", "creator", "images", "files", "trainedWords", "publishedAt"),
}
_BASES = {
    "sidecar": b'{"activation text":"a","vae":"",%b}',
    "civitai-info": b'{"id":1,"modelId":2,"baseModel":"SDXL","files":[],%b}',
    "lora-manager": b'{"file_name":"foo","model_name":"foo","file_path":"/foo",%b}',
    "stability-matrix": b'{"ModelName":"foo","ModelId":2,%b}',
    "swarm": b'{"modelspec.title":"foo",%b}',
    "answer": b'{"id":1,"modelId":2,"nsfw":false,%b}',
}
_VERSION = json.dumps(
    {
        "id": 1,
        "modelId": 2,
        "name": "v1",
        "baseModel": "SDXL 1.0",
        "trainedWords": ["a", "b"],
        "publishedAt": "2024-01-01T00:00:00.000Z",
        "model": {"name": "M", "type": "LORA", "nsfw": False, "tags": ["x"]},
        "files": [{"id": 3, "name": "f", "sizeKB": 1.5, "hashes": {"SHA256": "AB" * 32, "AutoV3": "cd" * 32}}],
        "images": [{"url": "https://image.civitai.com/a/b/width=450/1.jpeg", "nsfwLevel": 1, "meta": {"prompt": "p"}}],
        "extensions": {"modelshelf": {"version": 1, "wrote": {"name": "0123456789abcdef"}, "of": "AB" * 32}},
    }
).encode()
_MODEL = b'{"id":2,"name":"M","tags":["a"],"creator":{"username":"c"},"modelVersions":[%b]}' % _VERSION


def text_cases() -> Iterator[Case]:
    """Give all of them."""
    yield from _json()
    for target, texts in {"yaml": _YAML, "html": _HTML, "mounts": _MOUNTS, "header-lines": _LINES}.items():
        yield from named("crafted", target, texts.items())
    yield from named("config", "yaml", flipped(_CONFIG, 40))
    yield from named("config", "yaml", shuffled(_CONFIG, 40))
    yield from named("page", "html", flipped(_PAGE, 30))
    yield from named("table", "mounts", flipped(_TABLE, 20))
    yield from named("crafted", "name", ((f"{each[:20]!r}", each) for each in _NAMES))
    yield from named(
        "crafted", "poke", (("wake", b"wake"), ("empty", b""), ("long", b"x" * 60_000), ("odd", b"\xff\0\n"))
    )


def _json() -> Iterator[Case]:
    for target, fields in _FIELDS.items():
        for name, value in _VALUES.items():
            yield from named("root", target, [(name, value)])
            member = b",".join(
                b'"%b":%b' % (field.encode(), value) for field in fields if field not in ("id", "modelId")
            )
            yield from named("every-field", target, [(name, _BASES[target] % member)])
    for target in _FIELDS:
        yield from named("version", target, flipped(_VERSION, 30))
        yield from named("version", target, shuffled(_VERSION, 24))
        yield from named("model", target, flipped(_MODEL, 16, seed=1))
        yield from named("crafted", target, _WHOLE.items())


_WHOLE = {
    "empty": b"",
    "bom": b"\xef\xbb\xbf{}",
    "utf16": '{"id": 1}'.encode("utf-16"),
    "trailing": b'{"id":1} x',
    "nul": b"\0" * 100,
    "half": b'{"id":1',
    "page": b"<!doctype html><html><body>502</body></html>",
    "version-list": b"[%b,null,%b,1,{}]" % (_VERSION, _VERSION),
    "lists": b"[" + b"[]," * 700_000 + b"[]]",
    "objects": b"[" + b"{}," * 700_000 + b"{}]",
    "ids": b'{"id":' + b"1" * 4000 + b',"modelId":1e300,"files":{},"trainedWords":"a"}',
    "images": b'{"id":1,"modelId":2,"files":[],"images":[%b]}'
    % b",".join([b'{"url":"http://[","type":7,"nsfw":[]}'] * 2000),
    "dates": b'{"id":1,"modelId":2,"publishedAt":"0001-01-01T00:00:00+23:59","files":[{"hashes":{"SHA256":"%b"}}]}'
    % (b"AB" * 32),
    "lora-manager": b'{"file_path":"/x","model_name":1,"file_name":[],"civitai":%b}' % _VERSION,
    "lora-manager-odd": b'{"file_path":"/x","model_name":"m","file_name":"f","civitai":[1]}',
    "stability-matrix": b'{"ModelName":"a","Hashes":[],"VersionId":"x"}',
    "swarm": b'{"modelspec.title":{"a":1}}',
    "rgthree": b'{"raw":{},"trainedWords":7}',
    "skeleton": b'{"files":[],"extensions":{"sd_civitai_helper":{"skeleton_file":true}}}',
    "workflow": b'{"1":{"class_type":"X"},"2":{"class_type":1}}',
    "krita": b'[{"id":1,"name":2,"source":3}]',
    "forged-mark": b'{"description":"x","extensions":{"modelshelf":{"wrote":{"description":7},"of":[],"version":"x"}}}',
    "mark-is-a-list": b'{"description":"x","extensions":{"modelshelf":[]}}',
    "extensions-is-text": b'{"description":"x","extensions":"y"}',
}

_CONFIG = b"""\
input_paths:
  loras: {path: /nowhere/loras, type: LORA, stability_delay: 5 s}
api: {key: abcdef123456, base_url: "https://civitai.com/api/v1", batch: {rate_limit: 100}}
output: {metadata: {path: "{model_dir}", filename: "{model_name}.json"}}
jobs: {nightly: {schedule: "0 3 * * *", actions: [{type: scan-paths, paths: [loras]}]}}
"""
_YAML: dict[str, bytes] = {
    "empty": b"",
    "nul": b"a: \0",
    "bom": b"\xef\xbb\xbfa: 1",
    "utf16": "a: 1".encode("utf-16"),
    "not-utf8": b"a: \xff",
    "laughs": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(
        b"%c: &%c [%b]\n" % (97 + each, 97 + each, b",".join([b"*%c" % (96 + each)] * 9)) for each in range(1, 20)
    ),
    "cycle": b"a: &a [*a]",
    "cycle-of-keys": b"&a a: *a",
    "cycle-in-mapping": b"a: &a {b: *a}",
    "merge-cycle": b"a: &a {<<: *a, b: 1}",
    "merge-chain": b"\n".join(b"a%d: &a%d {<<: *a%d}" % (each, each, max(each - 1, 0)) for each in range(300)),
    "merge-number": b"a: {<<: 1}",
    "deep-flow": b"[" * DEEP,
    "deep-flow-mapping": b"{a: " * 30_000,
    "deep-block": b"- " * 60_000,
    "deep-question": b"? " * 60_000,
    "long-key": b"k" * 120_000 + b": 1",
    "many-keys": b"\n".join(b"k%d: 1" % each for each in range(9_900)),
    "many-sections": b"\n".join(b"k%d: {}" % each for each in range(9_000)),
    "many-flow-keys": b"{" + b"a, " * 40_000 + b"}",
    "twice": b"a: 1\na: 2",
    "tag": b"a: !!python/object/apply:os.system [id]",
    "tag-int-empty": b'a: !!int ""',
    "tag-float-empty": b'a: !!float ""',
    "tag-int-underscores": b'a: !!int "___"',
    "tag-bool": b"a: !!bool maybe",
    "tag-binary": b"a: !!binary x",
    "tag-map-on-text": b"input_paths: !!map x",
    "tag-seq-on-text": b"jobs: !!seq x",
    "tag-text-on-map": b"a: !!str {b: 1}",
    "tag-set": b"a: !!set {b, c}",
    "tag-omap": b"a: !!omap [b: 1]",
    "tag-timestamp": b"a: !!timestamp 2020-99-99",
    "tag-none": b"a: !",
    "sexagesimal": b"a: 1" + b":00" * 200 + b".0",
    "sexagesimal-long": b"api: {timeout: 1" + b":00" * 40_000 + b"}",
    "hex-long": b"api: {timeout: 0x" + b"f" * 120_000 + b"}",
    "hex-in-batch": b"api: {batch: {rate_limit: 0x" + b"f" * 5_000 + b"}}",
    "hex-in-key": b"api: {key: 0x" + b"f" * 5_000 + b"}",
    "hex-in-paths": b"input_paths: {a: {path: /x, patterns: [0x" + b"f" * 5_000 + b"]}}",
    "hex-in-section": b"input_paths: 0x" + b"f" * 5_000,
    "digits": b"api: {timeout: " + b"9" * 5_000 + b"}",
    "infinity": b"api: {timeout: .inf, max_retries: .nan}",
    "exponent": b"watch: {rescan_interval: 1e400}",
    "surrogate": b'a: "\\ud800"',
    "surrogate-key": b'"\\ud800": 1',
    "nul-in-path": b'input_paths: {a: {path: "/a\\0b"}}',
    "newline-in-path": b'input_paths: {"a\\nb": {path: "/a\\nb", type: "\\e[31m"}}',
    "long-path": b"input_paths: {a: {path: /" + b"x" * 100_000 + b"}}",
    "device": b"input_paths: {a: {path: /dev/zero}, b: {path: /proc/self/mem}}",
    "variables": b"a: " + b"${A}$B" * 20_000,
    "patterns": b"input_paths: {a: {path: /x, patterns: ['" + b"*a" * 50 + b"'], exclude_patterns: ['[', '**/**/**']}}",
    "cron": b"jobs: {a: {schedule: '*/0 99 * * *'}, b: {schedule: '" + b"1," * 5_000 + b"'}}",
    "templates": b"output: {metadata: {path: '../{model_dir}', filename: '../{model_name}'}}",
    "gallery": b"output: {metadata: {html: {gallery_path: /etc/passwd}}}",
    "address": b"api: {base_url: 'http://[::1'}",
    "address-port": b"api: {base_url: 'http://a:99999999/'}",
    "documents": b"a: 1\n---\nb: 2",
    "directive": b"%YAML 9.9\n---\na: 1",
    "tabs": b"a:\n\t- b",
    "anchors-twice": b"a: &x 1\nb: &x 2\nc: *x",
    "alias-to-nothing": b"a: *x",
    "quotes-open": b'api: {key: "abc',
    "root-list": b"- a",
    "root-text": b"text",
    "root-null": b"~",
}

_PAGE = (
    b'<p>A <b style="x">bold</b> <a href="https://example.org/?q=1">link</a> &amp; <img src=x onerror=alert(1)>'
    b"<script>alert(1)</script><svg><style><!--</style><a title='--&gt;&lt;img src=x&gt;'></svg></p>"
)
_HTML: dict[str, bytes] = {
    "empty": b"",
    "surrogates": b"\xed\xa0\x80\xff\xfe",
    "nul": b"<p>\0<b>\0</b>",
    "deep": b"<div>" * 10_000,
    "deep-lists": b"<ul><li>" * 6_000,
    "deep-tables": b"<table><tr><td>" * 3_000,
    "formatting": b"<p><b><i><u>" * 4_000,
    "formatting-attributes": b"".join(b"<font size=%d><p>" % each for each in range(3_000)),
    "open-tags": b"<a <a <a " * 10_000,
    "open-tag": b"<a " + b"x" * 200_000,
    "angles": b"<" * 200_000,
    "entities": b"&" * 200_000,
    "entity-digits": b"<p>&#" + b"1" * 5000 + b";",
    "entity-digits-bare": b"&#" + b"9" * 100_000 + b";",
    "entity-hex": b"<p>&#x" + b"f" * 5000 + b";",
    "entity-surrogate": b"<p>&#xD800;&#0;&#x110000;",
    "entities-nested": b"&amp;" * 40_000 + b"lt;script&gt;",
    "comments": b"<!--" * 40_000,
    "script": b"<script>" * 5_000 + b"alert(1)" + b"</script>" * 5_000,
    "style-unclosed": b"<p>a<style>" + b"x" * 100_000,
    "lora-prompt": b"<lora:name:1> <lyco:x:0.5>",
    "attributes": b"<p " + b" ".join(b"a%d=1" % each for each in range(20_000)) + b">",
    "newlines": b"\r\n\r" * 60_000,
    "blanks": b" \t" * 100_000,
    "long": "<p>\U0001f600</p>".encode() * 60_000,
    "mark": b'<!doctype html><meta name="generator" content="modelshelf ' + b"9" * 2_000,
}

_TABLE = b"36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n1 0 8:1 / / rw - ext4 /dev/sda rw\n"
_MOUNTS: dict[str, bytes] = {
    "empty": b"",
    "blank-line": b"\n\n",
    "short": b"36 35 98:0\n",
    "no-dash": b"36 35 98:0 / / rw\n",
    "nothing-behind-the-dash": b"36 35 98:0 / / rw - \n",
    "only-a-dash": b" - \n",
    "escapes": b"36 35 98:0 / /\\040\\777\\9 rw - ext4 x rw\n",
    "not-utf8": b"36 35 98:0 / / rw - \xff\xfe x rw\n",
    "nul": b"\0" * 500,
    "long": b"1 1 1:1 / /" + b"a" * 500_000 + b" rw - ext4 x rw\n",
    "many": b"1 1 1:1 / / rw - ext4 x rw\n" * 20_000,
}
_LINES: dict[str, bytes] = {
    "empty": b"",
    "seconds": b"7",
    "many-digits": b"9" * 50_000,
    "fraction": b"1." + b"9" * 50_000,
    "negative": b"-1",
    "words": b"soon",
    "date": b"Fri, 31 Dec 9999 23:59:59 -2359",
    "date-zero": b"Mon, 00 Jan 0000 00:00:00 GMT",
    "date-zone": b"Mon, 01 Jan 2024 00:00:00 +99999999999999999999",
    "date-odd": b"Mon, 01 Jan 2024 99:99:99 GMT",
    "commas": b"," * 20_000,
    "colons": b":" * 20_000,
    "brackets": b"(" * 20_000,
    "quotes": b'"' * 20_000,
    "parameters": b"http://a/b/" + b"width=1," * 20_000 + b"/x.jpeg",
    "segments": b"http://a" + b"/width=1" * 20_000,
    "bad-host": b"http://[::1/width=1/x.jpeg",
    "netloc-nfkc": "http://a\u2100b/width=1/x".encode("latin-1", "replace"),
    "not-ascii": b"\xff\xfe\0\x80",
    "html": b"text/html; charset=x",
    "newline": b"1\r\nX: y",
}
_NAMES = (
    b"", b".", b"..", b"a", b"a.json", b"a.preview.png", b"a.preview" + b"9" * 240 + b".png", b"\xff\xfe.json", b"a\nb.json",
    b"a.b.c.d.civitai.info", b".civitai.info", b"_1.jpg", b"a_" + b"9" * 200 + b".jpg", b"a.example." + b"1" * 200 + b".png",
    b"." * 255, b"a" * 255, b"a.preview." * 25, b"a.safetensors.rgthree-info.json", b"A.JSON", b"a.metadata.json.bak",
    b".a.modelshelf-0123456789abcdef.tmp", b".\n.modelshelf-0123456789abcdef.tmp", b"\x1b[31m.json", "\u202e.png".encode(),
    b"a.thumb.PNG", b"a.vae.pt", b"a[1]*?.json", b"-rf.json", b"~.json", b"CON.json", b"a.json ",
)  # fmt: skip
