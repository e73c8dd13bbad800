//! Prints the operations that the server routes as JSON, for comparison with the OpenAPI document.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let table: Vec<_> = agbcloud_server::operations()
        .iter()
        .map(|operation| {
            serde_json::json!({
                "name": operation.name,
                "method": operation.method,
                "path": operation.path,
                "parameters": operation.parameters,
            })
        })
        .collect();
    println!("{}", serde_json::to_string_pretty(&table)?);
    Ok(())
}
