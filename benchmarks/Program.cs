using CondDiffusion.MLNet.Benchmarks;

switch (args)
{
    case ["training"]:
        TrainingBenchmark.Run(rounds: 7);
        break;
    case ["training-memory", var variant]:
        TrainingBenchmark.PrintPeakMemory(variant);
        break;
    case ["store"]:
        StoreBenchmark.Run();
        break;
    default:
        Console.Error.WriteLine("Usage: dotnet run -c Release --project benchmarks -- training|store");
        return 2;
}
return 0;
