using CondDiffusion.MLNet.Benchmarks.Augmentation;

namespace CondDiffusion.MLNet.Tests.Benchmarks;

[TestClass]
public sealed class SmoteTests
{
    /// <summary>By hand, a quarter of the way from each of two images to the other.</summary>
    [TestMethod]
    public void Create_TwoImages_InterpolatesFromEachInTurn()
    {
        var images = Smote.Create([Image(0, 200), Image(100, 40)], 3, new Fixed(neighbour: 0, place: 0.25)).ToArray();
        Assert.AreSequenceEqual<byte>([25, 160, 75, 80, 25, 160], images.SelectMany(image => image.Levels));
        Assert.IsTrue(images.All(image => image.Label == 7));
    }

    /// <summary>Of the seven others, the two that are the farthest from 0 are not among the five nearest.</summary>
    [TestMethod]
    [DataRow(0, 30)]
    [DataRow(1, 40)]
    [DataRow(4, 70)]
    public void Create_Neighbour_IsOneOfTheFiveNearest(int neighbour, int level)
    {
        byte[] levels = [0, 250, 60, 40, 30, 200, 70, 50];
        var random = new Fixed(neighbour, place: 1);
        var image = Smote.Create([.. levels.Select(value => Image(value))], 1, random).Single();
        Assert.AreSequenceEqual([(byte)level], image.Levels);
        Assert.AreEqual(5, random.Neighbours);
    }

    [TestMethod]
    public void Create_OneImage_RepeatsIt()
    {
        var image = Image(9);
        Assert.AreSequenceEqual([image, image], Smote.Create([image], 2, new Random(1)));
    }

    [TestMethod]
    public void Create_SameSeed_IsTheSame()
    {
        Assert.AreSequenceEqual(Create(1), Create(1));
        Assert.AreNotSequenceEqual(Create(1), Create(2));

        static IEnumerable<byte> Create(int seed) =>
            Smote.Create([Image(0), Image(90), Image(250)], 20, new Random(seed)).SelectMany(image => image.Levels);
    }

    private static GreyImage Image(params byte[] levels) => new(7, levels);

    /// <summary>Chooses always the same.</summary>
    private sealed class Fixed(int neighbour, double place) : Random
    {
        /// <summary>The number of neighbours that it could choose from.</summary>
        public int Neighbours { get; private set; }

        public override int Next(int maxValue)
        {
            Neighbours = maxValue;
            return neighbour;
        }

        public override double NextDouble() => place;
    }
}
