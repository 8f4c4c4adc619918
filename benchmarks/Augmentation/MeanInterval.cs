namespace CondDiffusion.MLNet.Benchmarks.Augmentation;

/// <summary>A mean and its 95 % confidence interval by Student's t distribution.</summary>
/// <param name="Mean">The mean.</param>
/// <param name="HalfWidth">Half the width of the interval; null for the mean of one value.</param>
internal readonly record struct MeanInterval(double Mean, double? HalfWidth)
{
    private const double Confidence = 0.95;

    /// <summary>Gets whether the interval tells the mean from 0.</summary>
    public bool ExcludesZero => Math.Abs(Mean) > HalfWidth;

    /// <summary>Computes the mean of values and its interval.</summary>
    /// <param name="values">At least one value; of paired measurements, the differences.</param>
    public static MeanInterval Of(IReadOnlyList<double> values)
    {
        var mean = values.Average();
        if (values.Count == 1) return new(mean, null);

        var freedom = values.Count - 1;
        var variance = values.Sum(value => (value - mean) * (value - mean)) / freedom;
        return new(mean, Quantile(freedom) * Math.Sqrt(variance / values.Count));
    }

    /// <summary>Returns the t for which a value lies in [-t, t] with the probability of the interval.</summary>
    private static double Quantile(int freedom)
    {
        var low = 0.0;
        var high = 100.0;
        for (var i = 0; i < 60; i++)
        {
            var middle = (low + high) / 2;
            if (Probability(middle, freedom) < Confidence) low = middle;
            else high = middle;
        }

        return high;
    }

    /// <summary>
    /// Returns the probability of [-t, t] (Abramowitz and Stegun 1964, equations 26.7.3 for odd degrees of freedom and
    /// 26.7.4 for even ones).
    /// </summary>
    private static double Probability(double t, int freedom)
    {
        var theta = Math.Atan(t / Math.Sqrt(freedom));
        var cos = Math.Cos(theta);
        var isOdd = freedom % 2 == 1;
        var sum = 0.0;
        var term = isOdd ? cos : 1;
        for (var k = isOdd ? 3 : 2; k <= freedom; k += 2)
        {
            sum += term;
            term *= cos * cos * (k - 1) / k;
        }

        return isOdd ? (theta + Math.Sin(theta) * sum) * 2 / Math.PI : Math.Sin(theta) * sum;
    }
}
