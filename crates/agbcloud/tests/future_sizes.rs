//! Futures of operations are small: they are held in arrays, moved, and part of the futures of their callers.

use std::{future::IntoFuture, mem::size_of_val, path::Path};

use agbcloud::Client;

/// Bytes of an awaited builder, whose future is boxed.
const BOXED: usize = 2 * size_of::<usize>();

/// Bytes of the future of a method, which is not boxed.
const METHOD: usize = 2048;

#[tokio::test]
async fn futures_are_small() -> agbcloud::Result<()> {
    let client = Client::builder().api_key("any").build()?;
    let contexts = client.contexts();
    let files = contexts.files("SdkCtx-1");
    macro_rules! assert_builders_are_small {
        ($($builder:expr),+ $(,)?) => {$(
            assert_eq!(size_of_val(&$builder.into_future()), BOXED, stringify!($builder));
            assert_small!($builder.send());
        )+};
    }
    macro_rules! assert_small {
        ($($future:expr),+ $(,)?) => {$(
            let size = size_of_val(&$future);
            println!("{size:6} {}", stringify!($future));
            assert!(size <= METHOD, "{} has {size} bytes", stringify!($future));
        )+};
    }
    assert_builders_are_small![
        contexts.get("SdkCtx-1"),
        contexts.get_or_create("my-project"),
        contexts.list(),
        contexts.rename("SdkCtx-1", "other"),
        contexts.delete("SdkCtx-1"),
        contexts.clear("SdkCtx-1"),
        contexts.resume_clear("SdkCtx-1"),
        files.upload("/a", "hello"),
        files.download("/a", Path::new("a")),
        files.open("/a"),
        files.read("/a"),
        files.delete("/a"),
        files.list(),
        files.upload_dir(".", "/"),
        files.download_dir("/", "."),
        files.delete_dir("/"),
    ];
    assert_small![
        files.stat("/a"),
        files.list().all(),
        contexts.list().all(),
        contexts.get("SdkCtx-1").with_response(),
        files.upload_dir(".", "/").plan(),
        client.probe(),
    ];
    Ok(())
}
