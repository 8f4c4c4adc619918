using CondDiffusion.MLNet.Augmentation;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Augmentation;

[TestClass]
public sealed class CopyFilterTests
{
    /// <summary>
    /// The nearest real image of each generated one is 0, whose own nearest is 1: half of that distance is the bound.
    /// </summary>
    [TestMethod]
    public void Judge_DistancesAroundTheBound_RefusesThoseUpToIt()
    {
        var ml = new MLContext();
        var real = ml.Data.LoadFromEnumerable<Pixel>([new() { Value = [0] }, new() { Value = [1] }]);
        var filter = new CopyFilter(real, "Value", new(1, 1, 1), fraction: 0.5, () => { });

        var areCopies = filter.Judge(
            [.. new[] { 0, -0.49f, -0.5f, -0.51f, -0.8f }.Select(value => new GeneratedRow("cat", new[] { value }))]);

        Assert.AreSequenceEqual([true, true, true, false, false], areCopies);
    }

    private sealed class Pixel
    {
        [VectorType(1, 1, 1)]
        public float[] Value { get; set; } = [];
    }
}
