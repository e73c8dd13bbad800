//! Files that tell the beacon whatever they get done.

use std::collections::BTreeSet;

/// What the page tells when it has listened long enough.
pub(super) const DONE: &str = "done";

/// A file, and what it would be if the service said so.
pub(super) struct Bait {
    pub(super) name: &'static str,
    pub(super) content_type: &'static str,
    pub(super) bytes: Vec<u8>,
}

/// The files, with the URL of the beacon put in for `BEACON`.
pub(super) fn all(beacon: &str) -> Vec<Bait> {
    [
        ("page.html", "text/html", PAGE),
        ("refresh.html", "text/html", REFRESH),
        ("picture.svg", "image/svg+xml", PICTURE),
        ("script.js", "text/javascript", SCRIPT),
        ("style.css", "text/css", STYLE),
    ]
    .map(|(name, content_type, text)| Bait {
        name,
        content_type,
        bytes: text.replace("BEACON", beacon).into_bytes(),
    })
    .into()
}

/// What is heard of them where nothing holds them back.
pub(super) fn heard() -> BTreeSet<String> {
    // As a page of their own, and within another.
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
    let places = scripted
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
    places.chain(alone.map(str::to_owned)).collect()
}

/// Without a script: an image, a frame, a style. With one: at once, when loaded, when something fails, by a request, by a
/// link, by a form. Storage and cookies are those of the address, whoever wrote them.
const PAGE: &str = r#"<!doctype html>
<html><head>
<link rel="stylesheet" href="BEACON/heard/page-style">
<script>
const where = top === self ? "-top" : "-framed";
const tell = (name) => { new Image().src = "BEACON/heard/page-" + name + where; };
tell("inline");
fetch("BEACON/heard/page-fetch" + where, { mode: "no-cors" });
try { document.cookie = "bait=page; path=/"; } catch {}
try { localStorage.bait = "page"; tell("storage"); } catch {}
</script>
</head>
<body onload="tell('onload')">
<img src="BEACON/heard/page-image">
<img src="data:," onerror="tell('onerror')">
<iframe src="BEACON/heard/page-frame"></iframe>
<iframe name="target"></iframe>
<a href="javascript:tell('link')">x</a>
<form method="post" target="target"></form>
<script>
document.links[0].click();
document.forms[0].action = "BEACON/heard/page-form" + where;
document.forms[0].submit();
</script>
</body></html>
"#;

const REFRESH: &str =
    r#"<!doctype html><meta http-equiv="refresh" content="0; url=BEACON/heard/refresh">"#;

const PICTURE: &str = r#"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
 width="10" height="10" onload="tell('onload')">
<script>
const where = top === self ? "-top" : "-framed";
function tell(name) { new Image().src = "BEACON/heard/picture-" + name + where; }
tell("inline");
try { localStorage.bait = "picture"; tell("storage"); } catch {}
</script>
<image href="BEACON/heard/picture-image" width="10" height="10"/>
</svg>
"#;

const SCRIPT: &str = r#"new Image().src = "BEACON/heard/script";"#;

const STYLE: &str = r#"@import "BEACON/heard/style";"#;

/// A page that opens the files, and embeds them, for so many milliseconds.
pub(super) fn host(links: &[String], listen: u32) -> String {
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
  if (document.cookie.includes("bait")) new Image().src = "/heard/cookie";
  setTimeout(() => {{ new Image().src = "/heard/{DONE}"; }}, 300);
}}, {listen});
</script>
{embedded}"#
    )
}
