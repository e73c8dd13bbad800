//! What one path is.

use super::{FileEntry, Files};
use crate::{
    Error, ErrorDetail, ErrorKind, MAX_PAGE_SIZE, Operation, RemotePath, Result,
    error::in_operation, model::checked,
};

impl Files {
    /// The entry of a file or a folder. No call tells of one alone: its folder is listed until it comes up, a call for
    /// each thousand entries.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// # let files = client.contexts().files(&context.id);
    /// files.upload("/data/a.txt", &b"hello"[..]).await?;
    /// assert_eq!(files.stat("/data/a.txt").await?.size, Some(5));
    /// assert!(files.stat("/data").await?.is_folder());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound) if there is nothing of this path or no such context,
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) if the path breaks the rules of [`RemotePath`], and those of a
    /// listing.
    pub async fn stat<P>(&self, path: P) -> Result<FileEntry>
    where
        P: TryInto<RemotePath>,
        P::Error: Into<Error>,
    {
        let found = async { self.found(&checked(path)?).await };
        let operation = Operation::DescribeContextFiles;
        found.await.map_err(in_operation(operation))
    }

    async fn found(&self, path: &RemotePath) -> Result<FileEntry> {
        let folder = match path.as_str().rsplit_once('/') {
            Some(("", _)) | None => "/",
            Some((folder, _)) => folder,
        };
        let listing = self.list().folder(folder).page_size(MAX_PAGE_SIZE);
        let mut entries = listing.by_item();
        while let Some(entry) = entries.next().await {
            let entry = entry?;
            if entry.path.trim_end_matches('/') == path.as_str() {
                return Ok(entry);
            }
        }
        Err(
            Error::new(ErrorKind::NotFound, "there is no such file or folder")
                .with_detail(ErrorDetail::FileNotFound),
        )
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
        client
            .contexts()
            .files(&ContextId::new("SdkCtx-1").unwrap())
    }

    #[tokio::test]
    async fn it_is_looked_for_until_it_comes_up() {
        let pages: [(&[&str], usize); 2] = [(&["/d/b", "/d/a/"], 3), (&["/d/aa"], 3)];
        let found = files(&pages).stat("/d/a").await.unwrap();
        assert_eq!(found.path, "/d/a/");
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_found() {
        let error = files(&[(&["/d/aa"], 1)]).stat("/d/a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let error = files(&[]).stat("no/slash").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
}
