//! Files that attack the browser, and request a beacon for each attack that works.

use std::collections::BTreeSet;

/// The beacon that the host page requests last.
pub(super) const DONE: &str = "done";

/// A file, and the content type under which its attacks work.
pub(super) struct Payload {
    pub(super) name: &'static str,
    pub(super) content_type: &'static str,
    pub(super) bytes: Vec<u8>,
}

/// The payloads, with `BEACON` replaced by the URL of the recording server.
pub(super) fn all(beacon: &str) -> Vec<Payload> {
    [
        ("page.html", "text/html", PAGE),
        ("refresh.html", "text/html", REFRESH),
        ("picture.svg", "image/svg+xml", PICTURE),
        ("script.js", "text/javascript", SCRIPT),
        ("style.css", "text/css", STYLE),
    ]
    .map(|(name, content_type, text)| Payload {
        name,
        content_type,
        bytes: text.replace("BEACON", beacon).into_bytes(),
    })
    .into()
}

/// The beacons of all attacks.
pub(super) fn attacks() -> BTreeSet<String> {
    // Each works as a page of its own and in a frame.
    let scripted = [
        "page-inline",
        "page-onload",
        "page-onerror",
        "page-fetch",
        "page-link",
        "page-storage",
        "page-form",
        "picture-inline",
        "picture-onload",
        "picture-storage",
    ];
    let scripted = scripted
        .iter()
        .flat_map(|name| [format!("{name}-top"), format!("{name}-framed")]);
    let alone = [
        "page-image",
        "page-frame",
        "page-style",
        "refresh",
        "picture-image",
        "script",
        "style",
        "cookie",
    ];
    scripted.chain(alone.map(str::to_owned)).collect()
}

/// Without a script: an image, a frame, a style sheet. With one: inline, in event handlers, by `fetch`, a link and a form,
/// and by access to the cookies and storage of the origin.
const PAGE: &str = r#"<!doctype html>
<html><head>
<link rel="stylesheet" href="BEACON/beacon/page-style">
<script>
const where = top === self ? "-top" : "-framed";
const report = (name) => { new Image().src = "BEACON/beacon/page-" + name + where; };
report("inline");
fetch("BEACON/beacon/page-fetch" + where, { mode: "no-cors" });
try { document.cookie = "payload=page; path=/"; } catch {}
try { localStorage.payload = "page"; report("storage"); } catch {}
</script>
</head>
<body onload="report('onload')">
<img src="BEACON/beacon/page-image">
<img src="data:," onerror="report('onerror')">
<iframe src="BEACON/beacon/page-frame"></iframe>
<iframe name="target"></iframe>
<a href="javascript:report('link')">x</a>
<form method="post" target="target"></form>
<script>
document.links[0].click();
document.forms[0].action = "BEACON/beacon/page-form" + where;
document.forms[0].submit();
</script>
</body></html>
"#;

const REFRESH: &str =
    r#"<!doctype html><meta http-equiv="refresh" content="0; url=BEACON/beacon/refresh">"#;

const PICTURE: &str = r#"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
 width="10" height="10" onload="report('onload')">
<script>
const where = top === self ? "-top" : "-framed";
function report(name) { new Image().src = "BEACON/beacon/picture-" + name + where; }
report("inline");
try { localStorage.payload = "picture"; report("storage"); } catch {}
</script>
<image href="BEACON/beacon/picture-image" width="10" height="10"/>
</svg>
"#;

const SCRIPT: &str = r#"new Image().src = "BEACON/beacon/script";"#;

const STYLE: &str = r#"@import "BEACON/beacon/style";"#;

/// A page that opens the files and embeds them, and requests [`DONE`] after `wait` milliseconds.
pub(super) fn host_page(links: &[String], wait: u32) -> String {
    let each =
        |make: &dyn Fn(&str) -> String| links.iter().map(|link| make(link)).collect::<String>();
    let embedded = each(&|link| {
        format!(
            r#"<iframe src="{link}"></iframe><object data="{link}"></object><embed src="{link}">
<img src="{link}"><script src="{link}"></script><link rel="stylesheet" href="{link}">
"#
        )
    });
    let opened = each(&|link| format!("open({link:?});\n"));
    format!(
        r#"<!doctype html><title>host</title>
<script>
{opened}
setTimeout(() => {{
  if (document.cookie.includes("payload")) new Image().src = "/beacon/cookie";
  setTimeout(() => {{ new Image().src = "/beacon/{DONE}"; }}, 300);
}}, {wait});
</script>
{embedded}"#
    )
}
