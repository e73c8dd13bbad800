//! Names, whatever is in them.

use agbcloud::Compare;
use proptest::prelude::*;

use super::{tree, world};

/// Names that files can have on both sides.
fn names() -> impl Strategy<Value = Vec<String>> {
    let segment = prop_oneof![
        "[ -.0-\\[\\]-~]{1,12}",
        "[^/\\\\\\p{Cc}]{1,12}",
        Just("50%+#?&=😀 é.txt".to_owned()),
        Just("x".repeat(200)),
    ];
    let path = prop::collection::vec(segment, 1..5).prop_map(|segments| segments.join("/"));
    prop::collection::vec(path, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_name_survives_both_ways(names in names(), compare: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            for (number, name) in names.iter().enumerate() {
                let path = here.path().join(name);
                let unusable = name.split('/').any(|segment| segment == "." || segment == "..");
                // One name may be a folder of another: the first counts.
                if !unusable && std::fs::create_dir_all(path.parent().unwrap()).is_ok() {
                    let _ = std::fs::write(path, number.to_string());
                }
            }
            let world = world().await;
            let (_, files) = world.files("one").await;
            let how = if compare { Compare::Checksum } else { Compare::SizeAndTime };
            let report = files.upload_dir(here.path(), "/data").compare(how).await.unwrap();
            prop_assert_eq!(report.failed, 0, "{:?}", report.failures);
            let report = files.download_dir("/data", there.path()).compare(how).await.unwrap();
            prop_assert_eq!(report.failed, 0, "{:?}", report.failures);
            prop_assert_eq!(tree(there.path()), tree(here.path()));
            let report = files.upload_dir(there.path(), "/data").delete(true).await.unwrap();
            prop_assert_eq!((report.transferred, report.deleted), (0, 0));
            Ok(())
        })?;
    }
}
