using CondDiffusion.MLNet.Benchmarks;
using CondDiffusion.MLNet.Benchmarks.Augmentation;
using Microsoft.ML;

namespace CondDiffusion.MLNet.Tests.Benchmarks;

[TestClass]
public sealed class BenchmarkOptionsTests
{
    /// <summary>A benchmark whose options the trainer refuses measures nothing.</summary>
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
