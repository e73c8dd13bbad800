//! This machine: its name, its load and the processor time of its processes.

use std::fs;
use std::io;

use crate::distributed::engines::descendants;

/// Clock ticks of a second in `/proc/PID/stat`, on all common architectures.
const TICKS: f64 = 100.0;

/// Processor time of a process and its ended children, in seconds.
pub(crate) fn process_time(process: u32) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let [own, ended] = parse_stat(&stat).ok_or_else(|| {
        io::Error::other(format!("unexpected format of /proc/{process}/stat: {stat}"))
    })?;
    Ok(own + ended)
}

/// Processor time of this program without its ended children, such as `psql`.
pub(crate) fn own_time() -> io::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let [own, _] = parse_stat(&stat)
        .ok_or_else(|| io::Error::other(format!("unexpected format of /proc/self/stat: {stat}")))?;
    Ok(own)
}

/// Processor time of all processes of the machine in seconds. Interrupts belong to none.
pub(crate) fn machine_time() -> io::Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    parse_machine(&stat).ok_or_else(|| io::Error::other("unexpected format of /proc/stat"))
}

/// The first line is `cpu USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL …`, where USER contains guests.
fn parse_machine(stat: &str) -> Option<f64> {
    let times = stat.lines().next()?.strip_prefix("cpu ")?;
    let times = times.split_whitespace().map(str::parse::<f64>);
    let times: Vec<_> = times.collect::<Result<_, _>>().ok()?;
    let busy = [0, 1, 2, 7].map(|field| times.get(field).copied());
    let busy: Option<f64> = busy.into_iter().sum();
    Some(busy? / TICKS)
}

/// Processor time of a process and all its descendants, in seconds.
pub(crate) fn group_time(process: u32) -> io::Result<f64> {
    let mut time = process_time(process)?;
    for child in descendants(process) {
        // A child that has just ended is in the time of its parent.
        time += process_time(child).unwrap_or_default();
    }
    Ok(time)
}

/// The seconds of a process, and of its ended children.
fn parse_stat(stat: &str) -> Option<[f64; 2]> {
    // `ID (NAME) STATE …`, where NAME may contain anything. The times are fields 14 to 17.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let mut next = || Some(times.next()?.parse::<f64>().ok()? / TICKS);
    Some([next()? + next()?, next()? + next()?])
}

/// The load average of the last minute.
pub(crate) fn load_average() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or_default().to_owned()
}

/// The name of the processor.
pub(crate) fn processor() -> String {
    let name = field("/proc/cpuinfo", "model name");
    name.unwrap_or_else(|| "unknown processor".to_owned())
}

/// Memory in GiB. 0 if it is unknown.
pub(crate) fn memory() -> u64 {
    let kib = field("/proc/meminfo", "MemTotal").and_then(|text| {
        let number = text.trim_end_matches("kB").trim().parse::<u64>();
        number.ok()
    });
    kib.unwrap_or_default().div_ceil(1 << 20)
}

/// The value of a line `NAME : VALUE`.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_after_the_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 9 8 7 6 150 50 20 5 20 0 1 0 99 0 0";
        assert_eq!(parse_stat(stat), Some([2.0, 0.25]));
        assert_eq!(parse_stat("7 (a) S 1"), None);
    }

    #[test]
    fn a_machine_that_waits_is_not_busy() {
        let stat = "cpu  100 20 30 9000 800 5 4 41 0 0\ncpu0 1 1 1 1\n";
        assert_eq!(parse_machine(stat), Some(1.91));
        assert_eq!(parse_machine("cpu  100 20\n"), None);
    }

    #[test]
    fn the_time_of_this_process_grows() {
        let before = own_time().unwrap();
        let mut number = 1_u64;
        while own_time().unwrap() <= before {
            for _ in 0..100_000 {
                number = std::hint::black_box(number.wrapping_mul(31));
            }
        }
        assert!(group_time(std::process::id()).unwrap() > before);
    }

    #[test]
    fn the_machine_has_a_name_and_memory() {
        assert!(!processor().is_empty());
        assert!(memory() > 0);
        assert!(load_average().parse::<f64>().is_ok());
    }
}
