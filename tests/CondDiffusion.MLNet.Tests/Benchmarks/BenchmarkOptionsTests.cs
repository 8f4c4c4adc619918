using CondDiffusion.MLNet.Benchmarks;
using CondDiffusion.MLNet.Benchmarks.Augmentation;
using Microsoft.ML;

namespace CondDiffusion.MLNet.Tests.Benchmarks;

[TestClass]
public sealed class BenchmarkOptionsTests
{
    /// <summary>The trainer refuses options that it cannot train with, and a benchmark has a process for that.</summary>
    [TestMethod]
    [DynamicData(nameof(Trainings))]
    public void Trainer_OfEachBenchmark_TakesItsOptions(string name, ConditionalDiffusionTrainer.Options options) =>
        Assert.IsNotNull(new MLContext().ImageGeneration.Trainers.ConditionalDiffusion(options), name);

    private static IEnumerable<object[]> Trainings =>
    [
        ["interruption", InterruptionBenchmark.Options],
        ["store", StoreBenchmark.Options],
        .. QualityTraining.All.Select(training => (object[])[training.Name, training.Options]),
        .. StudyTraining.All.Select(training => (object[])[training.Name, training.Options]),
    ];
}
