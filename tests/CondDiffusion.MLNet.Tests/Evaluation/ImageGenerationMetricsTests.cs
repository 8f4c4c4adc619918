using CondDiffusion.MLNet.Evaluation;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Evaluation;

/// <summary>Checks the metrics against closed forms, published values and a naive computation.</summary>
[TestClass]
public sealed class ImageGenerationMetricsTests
{
    private static readonly EvaluationOptions Plain = new() { LabelColumnName = null, KernelSubsets = 2 };

    [TestMethod]
    [DataRow(1.0, 1.0)]
    [DataRow(0.0, 2.0)]
    [DataRow(0.0, 0.5)]
    [DataRow(-0.5, 1.5)]
    public void Evaluate_GaussiansShiftedAndScaled_HaveTheClosedFormOfTheFrechetDistance(double mean, double deviation)
    {
        var metrics = Evaluate(FeatureRows.Normal(1, 4000, 4, mean, deviation), FeatureRows.Normal(2, 4000, 4));
        var expected = 4 * (mean * mean + (deviation - 1) * (deviation - 1));
        Assert.AreEqual(expected, metrics.FrechetDistance, 0.08 * expected);
        Assert.IsLessThan(0.02, metrics.Floor!.FrechetDistance);
        Assert.IsGreaterThan(1e-5, metrics.Floor.FrechetDistance); // other rows, not the same
    }

    [TestMethod]
    public void Evaluate_TwoSamplesOfOneDistribution_HaveTheExpectedDensityAndCoverage()
    {
        const int N = 3000;
        const int K = 5;
        var metrics = Evaluate(FeatureRows.Normal(1, N, 8), FeatureRows.Normal(2, N, 8));

        // Of all 2 N rows, the K nearest to a real one are all real with this probability, whatever the distribution.
        var uncovered = Enumerable.Range(1, K).Aggregate(1.0, (product, i) => product * (N - i) / (2 * N - i));
        Assert.AreEqual(1 - uncovered, metrics.Coverage, 0.015);
        Assert.AreEqual(1, metrics.Density, 0.06);
        Assert.IsLessThan(3 * metrics.KernelDistanceStandardDeviation, Math.Abs(metrics.KernelDistance));
    }

    /// <summary>
    /// Of two samples of one distribution, whatever it is, the expected density is 1, and the expected coverage
    /// 1 - (N - 1) ... (N - k) / ((M + N - 1) ... (M + N - k)) (Naeem et al. 2020, section 3.2). Their published values
    /// in 1,000 dimensions take a quarter of a minute: <c>benchmarks -- evaluation</c> compares with those.
    /// </summary>
    [TestMethod]
    [DataRow(2000, 2000, 5)]
    [DataRow(1500, 3000, 3)]
    public void Compute_TwoSamplesOfOneDistribution_HasTheExpectedDensityAndCoverage(int realRows, int rows, int k)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(1, CPU);
        var real = randn([realRows, 8], ScalarType.Float32, CPU, generator: random);
        var generated = randn([rows, 8], ScalarType.Float32, CPU, generator: random);
        var distances = new Distances(zeros(8, ScalarType.Float64, CPU), () => { });
        var scores = NeighborScores.Compute(distances, generated, real, distances.FindRadii(real, k), k);

        var missed = Enumerable.Range(1, k).Aggregate(1.0, (all, i) => all * (realRows - i) / (rows + realRows - i));
        Assert.AreEqual(1 - missed, scores.Coverage, 0.015);
        Assert.AreEqual(1, scores.Density, 0.1);
    }

    /// <summary>The sizes are larger than one block in both directions, and no multiple of it.</summary>
    [TestMethod]
    [DataRow(4200, 1100, 3, 5)]
    [DataRow(1030, 4100, 2, 1)]
    [DataRow(7, 9, 5, 6)]
    public void Evaluate_AnySizes_AgreesWithANaiveComputation(int generatedRows, int realRows, int features, int k)
    {
        var generated = FeatureRows.Normal(1, generatedRows, features, mean: 100.5, deviation: 1.5);
        var real = FeatureRows.Normal(2, realRows, features, mean: 100);
        var metrics = Evaluate(generated, real, Plain with { Neighbors = k });

        var (precision, recall, density, coverage) = NaiveMetrics.Neighbors(generated, real, k);
        Assert.AreEqual(precision, metrics.Precision, 1e-12);
        Assert.AreEqual(recall, metrics.Recall, 1e-12);
        Assert.AreEqual(density, metrics.Density, 1e-12);
        Assert.AreEqual(coverage, metrics.Coverage, 1e-12);
        Assert.AreEqual(NaiveMetrics.Frechet(generated, real), metrics.FrechetDistance, 1e-9);
    }

    /// <summary>Many distances on a lattice are equal: only a strict comparison gives these values.</summary>
    [TestMethod]
    public void Evaluate_LatticeFarFromTheOrigin_ComparesStrictly()
    {
        var generated = Lattice(seed: 1, rows: 90);
        var real = Lattice(seed: 2, rows: 70);
        var metrics = Evaluate(generated, real);

        var (precision, recall, density, coverage) = NaiveMetrics.Neighbors(generated, real, 5);
        Assert.AreEqual((precision, recall, coverage), (metrics.Precision, metrics.Recall, metrics.Coverage));
        Assert.AreEqual(density, metrics.Density, 1e-12);

        static float[][] Lattice(int seed, int rows)
        {
            var random = new Random(seed);
            return [.. Enumerable.Range(0, rows).Select(_ => new[] { 1000.3f + random.Next(4), random.Next(4), 7.7f })];
        }
    }

    [TestMethod]
    public void Evaluate_WholeSetsAsSubsets_HasTheNaiveKernelDistance()
    {
        var generated = FeatureRows.Normal(1, 40, 3, mean: 0.5);
        var real = FeatureRows.Normal(2, 40, 3);
        var metrics = Evaluate(generated, real);
        Assert.AreEqual(NaiveMetrics.Kernel(generated, real), metrics.KernelDistance, 1e-9);
        Assert.AreEqual(0, metrics.KernelDistanceStandardDeviation, 1e-9);
    }

    [TestMethod]
    public void Evaluate_SubsetsOfTheKernelDistance_VaryAboutTheWhole()
    {
        var generated = FeatureRows.Normal(1, 400, 3, mean: 0.5);
        var real = FeatureRows.Normal(2, 300, 3);
        var metrics = Evaluate(generated, real, Plain with { KernelSubsets = 100, KernelSubsetSize = 50 });
        var deviation = metrics.KernelDistanceStandardDeviation;
        Assert.AreEqual(NaiveMetrics.Kernel(generated, real), metrics.KernelDistance, deviation / 2);
        Assert.IsGreaterThan(0.1, deviation);
    }

    [TestMethod]
    public void Evaluate_SetsExchanged_ExchangesPrecisionAndRecallAlone()
    {
        var a = FeatureRows.Normal(1, 300, 4);
        var b = FeatureRows.Normal(2, 300, 4, mean: 0.4, deviation: 1.3);
        var there = Evaluate(a, b);
        var back = Evaluate(b, a);
        Assert.AreEqual(there.FrechetDistance, back.FrechetDistance, 1e-9);
        Assert.AreEqual(there.KernelDistance, back.KernelDistance, 1e-9);
        Assert.AreEqual((there.Precision, there.Recall), (back.Recall, back.Precision));
        Assert.AreNotEqual(there.Precision, there.Recall);
    }

    [TestMethod]
    public void Evaluate_TheSameRows_ArePerfect()
    {
        var rows = FeatureRows.Normal(1, 200, 4, mean: 50);
        var metrics = Evaluate(rows, rows);
        Assert.AreEqual((1.0, 1.0, 1.0), (metrics.Precision, metrics.Recall, metrics.Coverage));
        Assert.AreEqual(1, metrics.Density, 1e-12); // a ball has its own row and the k - 1 nearest
        Assert.AreEqual(0, metrics.FrechetDistance, 1e-9);
    }

    [TestMethod]
    public void Evaluate_CopiesOfTrainingRows_AreFound()
    {
        var training = FeatureRows.Normal(1, 600, 4, mean: 1000); // far from the origin, as the products must cope with
        var real = FeatureRows.Normal(2, 300, 4, mean: 1000);
        float[][] copies = [.. training.Take(300)];
        var honest = FeatureRows.Normal(3, 300, 4, mean: 1000);
        var poor = FeatureRows.Normal(4, 300, 4, mean: 1000, deviation: 3);

        var copied = Evaluate(copies, real, training);
        Assert.AreEqual(0, copied.Authenticity);
        Assert.IsLessThan(-10, copied.CopyingStatistic!.Value);

        var fresh = Evaluate(honest, real, training);
        Assert.AreEqual(NaiveMetrics.Authenticity(honest, training), fresh.Authenticity);
        Assert.AreEqual(NaiveMetrics.Authenticity(real, training), fresh.Floor!.Authenticity);
        Assert.IsLessThan(3, Math.Abs(fresh.CopyingStatistic!.Value));

        Assert.IsGreaterThan(3, Evaluate(poor, real, training).CopyingStatistic!.Value);
    }

    /// <summary>A copy of a row that the training set has twice has the distance 0, as the two have.</summary>
    [TestMethod]
    public void Evaluate_CopiesOfRepeatedTrainingRows_AreNotAuthentic()
    {
        var once = FeatureRows.Normal(1, 50, 300, mean: 1000);
        float[][] training = [.. once, .. once];
        Assert.AreEqual(0, Evaluate(once, FeatureRows.Normal(2, 50, 300, mean: 1000), training).Authenticity);
    }

    /// <summary>A cell counts where it has test rows, and at least 20 generated ones.</summary>
    [TestMethod]
    [DataRow(30, 19, false)]
    [DataRow(30, 20, true)]
    [DataRow(0, 25, false)]
    public void Evaluate_SeparateClusters_HasTheCopyingStatisticOfItsCells(
        int testOfLast, int generatedOfLast, bool lastCounts)
    {
        // Three clusters far apart are the three cells, whatever the start.
        int[] counts = [100, 50, testOfLast];
        float[][][] training = [.. Enumerable.Range(0, 3).Select(i => FeatureRows.Normal(i, 80, 2, mean: 100 * i))];
        float[][][] test = [.. counts.Select((n, i) => FeatureRows.Normal(10 + i, n, 2, mean: 100 * i))];
        float[][][] generated =
        [
            FeatureRows.Normal(20, 60, 2),
            FeatureRows.Normal(21, 40, 2, 100, 2),
            FeatureRows.Normal(22, generatedOfLast, 2, 200),
        ];
        var metrics = Evaluate(Join(generated), Join(test), Join(training));

        int[] cells = lastCounts ? [0, 1, 2] : [0, 1];
        var expected = cells.Sum(cell => counts[cell] * Z(cell)) / cells.Sum(cell => counts[cell]);
        Assert.AreEqual(expected, metrics.CopyingStatistic!.Value, 1e-9);

        static float[][] Join(float[][][] sets) => [.. sets.SelectMany(rows => rows)];

        double Z(int cell) => NaiveMetrics.MannWhitney(Nearest(generated[cell], cell), Nearest(test[cell], cell));

        double[] Nearest(float[][] rows, int cell) =>
            Array.ConvertAll(rows, row => NaiveMetrics.NearestDistance(row, training[cell]));
    }

    /// <summary>Of six pairs, two are equal and none has the larger value first: U is 1 in place of 3.</summary>
    [TestMethod]
    public void MannWhitney_EqualValues_CountAsHalf()
    {
        double[] first = [1, 2, 2];
        double[] second = [2, 3];
        Assert.AreEqual(-2 / Math.Sqrt(3), CopyDetection.MannWhitney(first, second), 1e-12);
        Assert.AreEqual(2 / Math.Sqrt(3), CopyDetection.MannWhitney(second, first), 1e-12);
        Assert.AreEqual(0, CopyDetection.MannWhitney(first, first), 1e-12);
    }

    /// <summary>The first half of the rows lies far from the second one; a random half has rows of both.</summary>
    [TestMethod]
    public void Floor_RealRowsInAnOrder_ComparesRandomHalves()
    {
        float[][] real = [.. FeatureRows.Normal(1, 100, 2), .. FeatureRows.Normal(2, 100, 2, mean: 100)];
        var floor = Evaluate(FeatureRows.Normal(3, 100, 2), real).Floor!;
        Assert.IsGreaterThan(0.5, floor.Precision);
        Assert.IsGreaterThan(0.5, floor.Recall);
    }

    [TestMethod]
    public void Evaluate_TheSameSeed_IsTheSame()
    {
        var ml = new MLContext();
        var generated = FeatureRows.View(ml, FeatureRows.Normal(1, 200, 4));
        var real = FeatureRows.View(ml, FeatureRows.Normal(2, 200, 4));
        var training = FeatureRows.View(ml, FeatureRows.Normal(3, 400, 4));
        var options = Plain with { TrainingData = training, KernelSubsetSize = 50 };
        var first = Values(options);
        Assert.AreSequenceEqual(first, Values(options));
        Assert.AreSequenceEqual(first, Values(options with { Seed = 0 }));
        Assert.AreNotEqual(first[1], Values(options with { Seed = 1 })[1]);

        double[] Values(EvaluationOptions options)
        {
            var metrics = ml.ImageGeneration.Evaluate(generated, real, options);
            return
            [
                metrics.FrechetDistance, metrics.KernelDistance, metrics.KernelDistanceStandardDeviation,
                metrics.Density, metrics.CopyingStatistic!.Value, metrics.Floor!.FrechetDistance,
            ];
        }
    }

    [TestMethod]
    public void Evaluate_ProcessWideSettings_ChangeNothingAndNoTensorIsLeft()
    {
        var (generated, real) = (FeatureRows.Normal(1, 100, 4), FeatureRows.Normal(2, 100, 4));
        var training = FeatureRows.Normal(3, 150, 4);
        var expected = Evaluate(generated, real, training).ToString();
        var tensors = TensorAssert.Count();
        var (type, device) = (get_default_dtype(), get_default_device());
        set_default_dtype(ScalarType.Float64);
        set_default_device(new Device("meta"));
        try
        {
            Assert.AreEqual(expected, Evaluate(generated, real, training).ToString());
        }
        finally
        {
            set_default_dtype(type);
            set_default_device(device);
        }

        Assert.AreEqual(tensors, TensorAssert.Count());
    }

    private static ImageGenerationMetrics Evaluate(float[][] generated, float[][] real, float[][] training) =>
        Evaluate(generated, real, Plain with { TrainingData = FeatureRows.View(new(), training) });

    private static ImageGenerationMetrics Evaluate(
        float[][] generated, float[][] real, EvaluationOptions? options = null)
    {
        var ml = new MLContext();
        return ml.ImageGeneration.Evaluate(
            FeatureRows.View(ml, generated), FeatureRows.View(ml, real), options ?? Plain);
    }
}
