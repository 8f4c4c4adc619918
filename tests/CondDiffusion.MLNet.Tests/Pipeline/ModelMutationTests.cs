namespace CondDiffusion.MLNet.Tests.Pipeline;

/// <summary>
/// Loads damaged and forged model files. For more of them, run the benchmark "mutations" with a count.
/// </summary>
[TestClass]
public sealed class ModelMutationTests
{
    [TestMethod]
    public void Load_ThousandDamagedFiles_LoadsOrRefusesEach()
    {
        var outcomes = ModelMutations.Run(first: 1, count: 1000);
        Assert.AreSequenceEqual([], outcomes.Violations);

        // The mutations reach each kind of outcome.
        foreach (var origin in new[] { "damaged", "forged" })
        {
            foreach (var outcome in new[] { "refused by the library", "loads, and generates" })
                Assert.IsGreaterThan(30, outcomes.Counts[$"{origin}: {outcome}"]);
        }
    }
}
