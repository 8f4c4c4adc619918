using System.Diagnostics;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>
/// Measures several variants in turn, so that a drift of the machine's speed affects all of them alike.
/// </summary>
internal static class Rounds
{
    /// <summary>
    /// Returns what each variant measured in each round, [variant][round]. One more round, before these, warms up.
    /// </summary>
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

    /// <summary>Returns the seconds of one call, as a mean of <paramref name="times"/> calls.</summary>
    public static double Time(int times, Action action)
    {
        var clock = Stopwatch.StartNew();
        for (var i = 0; i < times; i++) action();
        return clock.Elapsed.TotalSeconds / times;
    }

    /// <summary>Returns the median; of an even number of values the upper of the two in the middle.</summary>
    public static double Median(double[] values) => values.Order().ElementAt(values.Length / 2);
}
