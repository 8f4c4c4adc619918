using CondDiffusion.MLNet.Benchmarks;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Parity;

/// <summary>Compares the batch norms' running statistics with those of stock modules that have the same weights.</summary>
[TestClass]
public sealed class RunningStatisticsTests
{
    [TestMethod]
    public void Forward_GoldenTrainingStep_UpdatesAllTwentyAsStockModulesDo()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var golden = new SeedUNet();
        using var network = SeedUNet.CreateNetwork();
        using var stock = new LiteralUNet();
        var before = network.StateDict().ToDictionary(tensor => tensor.Entry.Name, tensor => tensor.Values.clone());
        foreach (var (name, values) in Named(stock)) values.copy_(before[name]);

        // x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps (Ho et al. 2020, arXiv 2006.11239, equation 4)
        var alphaBars = golden.Table<double>("alpha_bar_at");
        var alphaBar = tensor([alphaBars["1"], alphaBars["500"]], ScalarType.Float64, CPU).view(-1, 1, 1, 1);
        var eps = 1.2 * SeedUNet.Wave(303, 2, 1, 32, 32);
        var xt = (alphaBar.sqrt() * 0.9 * SeedUNet.Wave(202, 2, 1, 32, 32) + (1 - alphaBar).sqrt() * eps)
            .to(ScalarType.Float32);

        stock.train();
        var predicted = stock.forward(xt, SeedUNet.Timesteps, SeedUNet.Labels);
        network.Forward(xt, SeedUNet.Timesteps, SeedUNet.Labels, training: true);

        // The golden loss shows that the stock modules compute what the reference does.
        Assert.AreEqual(golden.Number("train_loss"), (predicted - eps).square().mean().item<float>(), 1e-6);

        var expected = Named(stock).ToDictionary(tensor => tensor.Name, tensor => tensor.Values);
        var statistics = network.StateDict().Where(tensor => tensor.Entry.IsBuffer).ToArray();
        Assert.HasCount(20, statistics);
        foreach (var (entry, actual) in statistics)
        {
            var change = (expected[entry.Name] - before[entry.Name]).norm();
            var error = (expected[entry.Name] - actual).norm() / change;
            Assert.IsLessThan(1e-4, error.item<float>(), entry.Name);
        }
    }

    /// <summary>Returns the tensors of the stock modules under the names of the reference.</summary>
    private static IEnumerable<(string Name, Tensor Values)> Named(LiteralUNet stock) => stock.state_dict()
        .Where(entry => !entry.Key.EndsWith("num_batches_tracked", StringComparison.Ordinal))
        .Select(entry => (Rename(entry.Key), entry.Value));

    private static string Rename(string name)
    {
        var parts = name.Split('.').Select(part => part == "_labelEmb" ? "label_emb" : part.TrimStart('_'));
        return string.Join('.', parts);
    }
}
