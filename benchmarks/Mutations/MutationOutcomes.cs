namespace CondDiffusion.MLNet.Benchmarks.Mutations;

/// <summary>Counts what became of damaged files.</summary>
internal sealed class MutationOutcomes
{
    private readonly SortedDictionary<string, int> _counts = new(StringComparer.Ordinal);

    /// <summary>The number of files with each outcome.</summary>
    public IReadOnlyDictionary<string, int> Counts => _counts;

    /// <summary>A sentence for each file whose outcome is against the rules.</summary>
    public List<string> Violations { get; } = [];

    /// <summary>The most managed memory that reading one file has allocated.</summary>
    public long MostBytes { get; private set; }

    /// <summary>The longest time that reading one file has taken, and then generating an image.</summary>
    public TimeSpan Longest { get; private set; }

    public void Add(string outcome) => _counts[outcome] = _counts.GetValueOrDefault(outcome) + 1;

    /// <summary>Records the cost of a file, and whether it is against the rules.</summary>
    public void AddCost(int number, string what, TimeSpan time, TimeSpan mostTime, long bytes, long mostBytes)
    {
        MostBytes = Math.Max(MostBytes, bytes);
        Longest = time > Longest ? time : Longest;
        if (time > mostTime) Violations.Add($"File {number}: {what} took {time.TotalSeconds:F1} s.");
        if (bytes > mostBytes) Violations.Add($"File {number}: {what} allocated {bytes} bytes, allowed {mostBytes}.");
    }

    public void Print(string title)
    {
        Console.WriteLine(
            $"{title}: {_counts.Values.Sum()} files, {Violations.Count} violations; " +
            $"at most {Longest.TotalMilliseconds:F0} ms and {MostBytes / 1024} KB of managed memory for one.");
        foreach (var (outcome, count) in _counts.OrderByDescending(pair => pair.Value))
            Console.WriteLine($"| {outcome} | {count} |");
        foreach (var violation in Violations) Console.WriteLine(violation);
        Console.WriteLine();
    }
}
