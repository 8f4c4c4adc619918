using System.Diagnostics;
using CondDiffusion.Examples;

namespace CondDiffusion.MLNet.Benchmarks.Mutations;

/// <summary>Reads as many damaged files as one likes, and prints what became of them.</summary>
internal static class MutationBenchmark
{
    public static void Run(Arguments arguments)
    {
        var count = arguments.Number("--count", 3000);
        var first = arguments.Number("--first", 1);
        var clock = Stopwatch.StartNew();
        ModelMutations.Run(first, count).Print("Model files");
        IdxMutations.Run(first, count).Print("Pairs of IDX files");
        var peak = Process.GetCurrentProcess().PeakWorkingSet64 / 1_000_000;
        Console.WriteLine($"{clock.Elapsed.TotalSeconds:F0} s; the process took at most {peak} MB.");
    }
}
