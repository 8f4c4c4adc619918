namespace CondDiffusion.MLNet.Tests.Evaluation;

/// <summary>
/// The metrics again, straight from their definitions: every pair by itself, differences in place of products, and no
/// libtorch.
/// </summary>
internal static class NaiveMetrics
{
    public static (double Precision, double Recall, double Density, double Coverage) Neighbors(
        float[][] generated, float[][] real, int k)
    {
        var realRadii = Array.ConvertAll(real, row => Radius(row, real, k));
        var generatedRadii = Array.ConvertAll(generated, row => Radius(row, generated, k));
        var balls = new int[generated.Length];
        var covered = new bool[real.Length];
        var recalled = new bool[real.Length];
        for (var i = 0; i < real.Length; i++)
        {
            for (var j = 0; j < generated.Length; j++)
            {
                var distance = Distance(real[i], generated[j]);
                if (distance < realRadii[i]) balls[j]++;
                covered[i] |= distance < realRadii[i];
                recalled[i] |= distance < generatedRadii[j];
            }
        }

        return (
            balls.Count(count => count > 0) / (double)generated.Length,
            recalled.Count(isTrue => isTrue) / (double)real.Length,
            balls.Sum() / (double)(k * generated.Length),
            covered.Count(isTrue => isTrue) / (double)real.Length);
    }

    public static double Authenticity(float[][] generated, float[][] training)
    {
        var authentic = 0;
        foreach (var row in generated)
        {
            var nearest = training.MinBy(other => Distance(row, other))!;
            var others = training.Where(other => !ReferenceEquals(other, nearest));
            var radius = others.Min(other => Distance(nearest, other));
            if (radius < Distance(row, nearest)) authentic++;
        }

        return authentic / (double)generated.Length;
    }

    public static double NearestDistance(float[] row, float[][] others) => others.Min(other => Distance(row, other));

    /// <summary>The z of the Mann-Whitney test by the sum of ranks, which equal values share.</summary>
    public static double MannWhitney(double[] first, double[] second)
    {
        var all = first.Concat(second).Order().ToArray();
        var ranks = first.Sum(value => (Array.IndexOf(all, value) + Array.LastIndexOf(all, value)) / 2.0 + 1);
        var (m, n) = ((double)first.Length, (double)second.Length);
        return (ranks - m * (m + n + 1) / 2) / Math.Sqrt(m * n * (m + n + 1) / 12);
    }

    public static double Kernel(float[][] first, float[][] second)
    {
        return Mean(first, first, distinct: true) + Mean(second, second, distinct: true)
            - 2 * Mean(first, second, distinct: false);

        static double Mean(float[][] x, float[][] y, bool distinct)
        {
            var values =
                from i in Enumerable.Range(0, x.Length)
                from j in Enumerable.Range(0, y.Length)
                where !distinct || i != j
                let product = x[i].Zip(y[j], (a, b) => (double)a * b).Sum()
                select Math.Pow(product / x[i].Length + 1, 3);
            return values.Average();
        }
    }

    /// <summary>The Fréchet distance, with (C_1 C_2)^(1/2) by Denman and Beavers' iteration (1976).</summary>
    public static double Frechet(float[][] first, float[][] second)
    {
        var (m1, c1) = Moments(first);
        var (m2, c2) = Moments(second);
        var y = Multiply(c1, c2);
        var z = Table(m1.Length, (i, j) => i == j ? 1 : 0);
        for (var i = 0; i < 40; i++)
            (y, z) = (Halve(y, Invert(z)), Halve(z, Invert(y)));
        return m1.Zip(m2, (a, b) => (a - b) * (a - b)).Sum() + Trace(c1) + Trace(c2) - 2 * Trace(y);

        static double Trace(double[][] a) => a.Select((row, i) => row[i]).Sum();

        static double[][] Halve(double[][] a, double[][] b) =>
            Table(a.Length, (i, j) => (a[i][j] + b[i][j]) / 2);

        static double[][] Multiply(double[][] a, double[][] b) =>
            Table(a.Length, (i, j) => Enumerable.Range(0, a.Length).Sum(n => a[i][n] * b[n][j]));
    }

    private static (double[] Mean, double[][] Covariance) Moments(float[][] rows)
    {
        double[] mean = [.. Enumerable.Range(0, rows[0].Length).Select(i => rows.Average(row => (double)row[i]))];
        return (mean, Table(mean.Length, (i, j) =>
            rows.Sum(row => (row[i] - mean[i]) * (row[j] - mean[j])) / (rows.Length - 1)));
    }

    private static double[][] Invert(double[][] matrix)
    {
        // Gauss and Jordan, without pivots: the matrices here have positive eigenvalues.
        var n = matrix.Length;
        double[][] a = [.. matrix.Select(row => (double[])[.. row, .. new double[n]])];
        for (var i = 0; i < n; i++) a[i][n + i] = 1;
        for (var i = 0; i < n; i++)
        {
            var pivot = a[i][i];
            for (var j = 0; j < 2 * n; j++) a[i][j] /= pivot;
            for (var other = 0; other < n; other++)
            {
                if (other == i) continue;

                var factor = a[other][i];
                for (var j = 0; j < 2 * n; j++) a[other][j] -= factor * a[i][j];
            }
        }

        return [.. a.Select(row => row[n..])];
    }

    private static double[][] Table(int size, Func<int, int, double> value) =>
        [.. Enumerable.Range(0, size).Select(i => Enumerable.Range(0, size).Select(j => value(i, j)).ToArray())];

    private static double Radius(float[] row, float[][] rows, int k)
    {
        var nearest = new double[k];
        Array.Fill(nearest, double.PositiveInfinity);
        foreach (var other in rows)
        {
            var distance = ReferenceEquals(row, other) ? double.PositiveInfinity : Distance(row, other);
            for (var i = 0; i < k && !double.IsInfinity(distance); i++)
            {
                if (distance < nearest[i]) (distance, nearest[i]) = (nearest[i], distance);
            }
        }

        return nearest[^1];
    }

    private static double Distance(float[] a, float[] b)
    {
        var sum = 0.0;
        for (var i = 0; i < a.Length; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        return sum;
    }
}
