use orchestrator_events::Hub;

use crate::adapters::SkillFiles;

/// A skill that was confirmed at one daemon is used by each that shares its database.
pub(crate) fn confirmed_skills(hub: &Hub, skills: SkillFiles) {
    hub.listen(move |event| {
        if event.name == "skill.confirmed" {
            skills.look_again();
        }
    });
}
