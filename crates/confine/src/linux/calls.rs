use std::collections::BTreeMap;

use libc::c_long;
use orchestrator_process::Network;
use rustix::thread::secure_computing_mode;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::Reach;
use crate::Error;
use crate::plan::Plan;

/// Refused whatever their arguments are. They look into other processes, change the system, make namespaces, or reach parts of
/// the kernel that programs do without.
const REFUSED: &[c_long] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_open_by_handle_at,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_userfaultfd,
    // What they do in the name of a process, no filter sees.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
];

#[cfg(target_arch = "x86_64")]
const REFUSED_BY_ARCHITECTURE: &[c_long] = &[libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_BY_ARCHITECTURE: &[c_long] = &[];

/// The same processor has a second set of numbers (x32), which has this bit and is otherwise the first one,
#[cfg(target_arch = "x86_64")]
const SECOND_NUMBERS: c_long = 0x4000_0000;
/// except for a few: `ptrace`, `kexec_load`, `move_pages`, and reading and writing the memory of other processes.
#[cfg(target_arch = "x86_64")]
const REFUSED_BY_SECOND_NUMBERS: &[c_long] = &[521, 528, 533, 539, 540];

/// Calls that act on another process of the same user, the daemon for one, if this argument names it: zero is the caller.
/// Landlock does not ask about them.
const REFUSED_FOR_OTHERS: &[(c_long, u8)] = &[
    (libc::SYS_sched_setaffinity, 0),
    (libc::SYS_sched_setscheduler, 0),
    (libc::SYS_sched_setparam, 0),
    (libc::SYS_sched_setattr, 0),
    (libc::SYS_setpriority, 1),
    (libc::SYS_ioprio_set, 1),
];

/// `clone` of a process into a namespace of its own, in which it would have privileges.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Whether the kernel can refuse calls, and we know their numbers.
pub(crate) fn is_offered() -> bool {
    secure_computing_mode().is_ok() && TargetArch::try_from(std::env::consts::ARCH).is_ok()
}

/// Refused calls fail, as if the user had no right to them. A program of another architecture is killed at its first call.
pub(super) fn restrict(plan: &Plan, reach: Reach) -> Result<(), Error> {
    if !is_offered() {
        let missing = || Error::Missing("seccomp is not there".to_owned());
        return if plan.required { Err(missing()) } else { Ok(()) };
    }
    let rules = refused(reach).map_err(told)?;
    apply(rules, libc::EPERM)?;
    // Its flags lie in memory, which no filter sees. Libraries use `clone` where it does not exist.
    apply(Rules::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS)
}

fn apply(rules: Rules, errno: i32) -> Result<(), Error> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH).map_err(told)?;
    let refuse = SeccompAction::Errno(errno.unsigned_abs());
    let filter =
        SeccompFilter::new(with_second_numbers(rules), SeccompAction::Allow, refuse, architecture).map_err(told)?;
    let program: BpfProgram = filter.try_into().map_err(told)?;
    seccompiler::apply_filter(&program).map_err(told)
}

/// A call with an empty list is refused whatever its arguments are.
fn refused(reach: Reach) -> Result<Rules, BackendError> {
    let always = REFUSED.iter().chain(REFUSED_BY_ARCHITECTURE).map(|call| (*call, Vec::new()));
    let mut rules: Rules = always.collect();
    for (call, argument) in REFUSED_FOR_OTHERS {
        rules.insert(*call, vec![SeccompRule::new(vec![is_not(*argument, 0)?])?]);
    }
    // All processes of a user, without naming one.
    rules.entry(libc::SYS_setpriority).or_default().push(SeccompRule::new(vec![is(0, PRIO_USER)?])?);
    rules.entry(libc::SYS_ioprio_set).or_default().push(SeccompRule::new(vec![is(0, IOPRIO_WHO_USER)?])?);
    // Asking for a limit is no harm; setting one of the daemon's would be.
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![is_not(0, 0)?, has(2)?])?]);
    let namespaces = NAMESPACES.iter().map(|flag| SeccompRule::new(vec![any_of(0, u64::from(flag.unsigned_abs()))?]));
    rules.insert(libc::SYS_clone, namespaces.collect::<Result<_, _>>()?);
    if let Some(families) = families(reach) {
        let none_of_them = families.iter().map(|family| is_not(0, u64::from(family.unsigned_abs())));
        let none_of_them = none_of_them.collect::<Result<Vec<_>, _>>()?;
        let when = if none_of_them.is_empty() { Vec::new() } else { vec![SeccompRule::new(none_of_them)?] };
        rules.insert(libc::SYS_socket, when);
    }
    Ok(rules)
}

/// The only kinds of sockets that can be made; `None` for all. Those of this machine (Unix, netlink, vsock) are none of the internet, and
/// are not kept in by a network of one's own.
fn families(Reach { network, is_alone }: Reach) -> Option<Vec<i32>> {
    let unix = match network {
        Network::All => return None,
        Network::UnixOnly => Some(libc::AF_UNIX),
        _ => None,
    };
    let internet = is_alone.then_some([libc::AF_INET, libc::AF_INET6]);
    Some(internet.into_iter().flatten().chain(unix).collect())
}

const PRIO_USER: u64 = 2;
const IOPRIO_WHO_USER: u64 = 3;

#[cfg(target_arch = "x86_64")]
fn with_second_numbers(mut rules: Rules) -> Rules {
    let second: Rules = rules.iter().map(|(call, when)| (call | SECOND_NUMBERS, when.clone())).collect();
    rules.extend(second);
    rules.extend(REFUSED_BY_SECOND_NUMBERS.iter().map(|call| (call | SECOND_NUMBERS, Vec::new())));
    rules
}

#[cfg(not(target_arch = "x86_64"))]
fn with_second_numbers(rules: Rules) -> Rules {
    rules
}

fn is(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn is_not(argument: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value)
}

/// A pointer that leads somewhere.
fn has(argument: u8) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)
}

fn any_of(argument: u8, flag: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(flag), flag)
}

fn told(error: impl std::fmt::Display) -> Error {
    Error::Refused { what: "confining by seccomp", problem: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_refuses_what_it_says() {
        let socket =
            |network, is_alone| refused(Reach { network, is_alone }).unwrap().get(&libc::SYS_socket).map(Vec::len);
        let all = [Network::None, Network::UnixOnly, Network::All];
        assert_eq!(all.map(|network| socket(network, false)), [Some(0), Some(1), None]);
        let families = |network| families(Reach { network, is_alone: true }).unwrap_or_default();
        assert_eq!(families(Network::None), [libc::AF_INET, libc::AF_INET6]);
        assert_eq!(families(Network::UnixOnly), [libc::AF_INET, libc::AF_INET6, libc::AF_UNIX]);
    }

    #[test]
    fn it_fits_into_a_program_of_the_kernel() {
        let architecture = TargetArch::try_from(std::env::consts::ARCH).unwrap();
        let rules = with_second_numbers(refused(Reach { network: Network::None, is_alone: true }).unwrap());
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(1), architecture).unwrap();
        let program = BpfProgram::try_from(filter).unwrap();
        // A system without the second numbers refuses them by itself, so that only this shows that they are judged.
        if cfg!(target_arch = "x86_64") {
            for call in [521, libc::SYS_socket] {
                assert!(program.iter().any(|one| i64::from(one.k) == call | 0x4000_0000), "{call}");
            }
        }
    }
}
