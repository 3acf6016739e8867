use orchestrator_sql::{Backend, Migration};

pub(crate) const ALL: &[Migration] = &[Migration { name: "m0001_tools", statements: tools }];

fn tools(backend: Backend) -> Vec<String> {
    let (uuid, clustered) = (backend.uuid(), backend.clustered());
    vec![format!(
        "create table mcp_tools (org {uuid} not null, server text not null, tool text not null, pinned text, \
         definition text, seen text not null, primary key (org, server, tool)){clustered}"
    )]
}
