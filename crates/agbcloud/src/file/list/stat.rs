//! Looking up one path.

use crate::{
    Error, ErrorDetail, ErrorKind, FileEntry, MAX_PAGE_SIZE, Operation, RemotePath, Request,
    Response, Result, error::in_operation, file::files::Files, model::checked,
};

impl Files {
    /// Returns the entry of a file or a folder. Lists its parent folder until the entry is found, with one call for each
    /// thousand entries, since the service has no call for a single entry.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// files.upload("/data/a.txt", &b"hello"[..]).await?;
    /// assert_eq!(files.stat("/data/a.txt").await?.size, Some(5));
    /// assert!(files.stat("/data").await?.is_folder());
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if the path or the context does not exist,
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) if the path is not a valid [`RemotePath`], and those of a listing.
    pub fn stat(&self, path: impl TryInto<RemotePath, Error: Into<Error>>) -> Request<FileEntry> {
        let arguments = (self.clone(), checked::<RemotePath, _>(path));
        Request::new(arguments, |(files, path)| async move {
            let operation = Operation::DescribeContextFiles;
            let context = files.context_id().map_err(in_operation(operation))?;
            let at = |error: Error| {
                error
                    .with_operation(operation)
                    .with_context(context.as_str())
            };
            let path = path.map_err(at)?;
            let found = files.find(&path).await;
            found.map_err(|error| at(error).with_path(path.as_str()))
        })
    }

    async fn find(&self, path: &RemotePath) -> Result<Response<FileEntry>> {
        let folder = match path.as_str().rsplit_once('/') {
            Some(("", _)) | None => "/",
            Some((folder, _)) => folder,
        };
        let listing = self.list().folder(folder).page_size(MAX_PAGE_SIZE);
        let mut pages = listing.by_page();
        while let Some(page) = pages.next().await {
            let page = page?;
            let mut entries = page.entries.into_iter();
            if let Some(entry) =
                entries.find(|entry| entry.path.trim_end_matches('/') == path.as_str())
            {
                return Ok(Response::new(entry, page.request_id));
            }
        }
        let missing = Error::new(ErrorKind::NotFound, "no such file or folder");
        Err(missing.with_detail(ErrorDetail::FileNotFound))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{
        Client, ContextId, ErrorKind, Files,
        testing::{Script, Step},
    };

    fn files(pages: &[(&[&str], usize)]) -> Files {
        let steps = pages.iter().map(|(paths, count)| {
            let entry = |path: &&str| json!({"filePath": path, "fileType": "file", "size": 1});
            let entries: Vec<_> = paths.iter().map(entry).collect();
            Step::json(json!({"success": true, "data": entries, "count": count}))
        });
        let client = Client::builder().stub(Script::new(steps)).build().unwrap();
        client.contexts().files(ContextId::new("SdkCtx-1").unwrap())
    }

    #[tokio::test]
    async fn pages_are_listed_until_the_entry_is_found() {
        let pages: [(&[&str], usize); 2] = [(&["/d/b", "/d/a/"], 3), (&["/d/aa"], 3)];
        let found = files(&pages).stat("/d/a").await.unwrap();
        assert_eq!(found.path, "/d/a/");
    }

    #[tokio::test]
    async fn a_missing_path_is_not_found() {
        let error = files(&[(&["/d/aa"], 1)]).stat("/d/a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let error = files(&[]).stat("no/slash").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
}
