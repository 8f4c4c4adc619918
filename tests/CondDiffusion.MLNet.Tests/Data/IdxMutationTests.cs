namespace CondDiffusion.MLNet.Tests.Data;

/// <summary>
/// Reads damaged files in MNIST's format. For more of them, run the benchmark "mutations" with a count.
/// </summary>
[TestClass]
public sealed class IdxMutationTests
{
    [TestMethod]
    public void LoadMnist_ThreeThousandDamagedPairs_ReadsOrRefusesEach()
    {
        var outcomes = IdxMutations.Run(first: 1, count: 3000);
        Assert.AreSequenceEqual([], outcomes.Violations);
        foreach (var outcome in outcomes.Counts.Keys) Assert.IsGreaterThan(100, outcomes.Counts[outcome], outcome);
        Assert.HasCount(3, outcomes.Counts);
    }
}
