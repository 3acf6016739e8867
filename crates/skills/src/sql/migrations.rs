use orchestrator_sql::{Backend, Migration};

pub(crate) const ALL: &[Migration] = &[Migration { name: "m0001_pins", statements: pins }];

fn pins(backend: Backend) -> Vec<String> {
    let (uuid, clustered) = (backend.uuid(), backend.clustered());
    vec![format!(
        "create table skills_pins (org {uuid} not null, name text not null, pinned text not null, summary text not null, \
         confirmed bigint not null, seen text not null, primary key (org, name)){clustered}"
    )]
}
