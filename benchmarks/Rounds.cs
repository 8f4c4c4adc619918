using System.Diagnostics;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>Measurements of several variants in turn, so that a machine whose speed drifts is fair to all.</summary>
internal static class Rounds
{
    /// <summary>What each variant measured in each round, [variant][round]; a round before the first warms up.</summary>
    public static double[][] Measure(int rounds, IReadOnlyList<Func<double>> variants)
    {
        var results = variants.Select(_ => new double[rounds]).ToArray();
        for (var round = -1; round < rounds; round++)
        {
            for (var i = 0; i < results.Length; i++)
            {
                var result = variants[i]();
                if (round >= 0) results[i][round] = result;
            }
            Console.Error.Write($"\rround {round + 1} of {rounds} ");
        }
        Console.Error.WriteLine();
        return results;
    }

    /// <summary>Seconds of one call, as a mean of so many.</summary>
    public static double Time(int times, Action action)
    {
        var clock = Stopwatch.StartNew();
        for (var i = 0; i < times; i++) action();
        return clock.Elapsed.TotalSeconds / times;
    }

    public static double Median(double[] values) => values.Order().ElementAt(values.Length / 2);
}
